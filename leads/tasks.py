"""Background work of the leads app: large imports."""

from __future__ import annotations

from uuid import UUID

from leads.services import imports


def run_import(org_id: str, import_id: str) -> None:
    """Go on with one import. Woken when it is started; repeating or losing the wake-up changes nothing but the delay."""
    imports.run(org_id=UUID(org_id), import_id=UUID(import_id))


def sweep() -> None:
    """Find imports that were begun and that nobody works on, and go on with them."""
    for org_id, import_id in imports.waiting():
        imports.run(org_id=org_id, import_id=import_id)
