"""Each route declares who may call it, and a stranger finds nothing behind another organization's ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import UUIDConverter

from leadpilot.lib.ids import new_id

FOREIGN = ("accounts/", "admin/")


def routes(resolver: Any = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if path.startswith(FOREIGN):
            continue
        if isinstance(entry, URLResolver):
            yield from routes(entry, path)
        else:
            yield path, entry


OURS = dict(routes())


def address(path: str, pattern: URLPattern, ids: UUID) -> str:
    url = "/" + path
    for name, converter in pattern.pattern.converters.items():
        kind = "uuid" if isinstance(converter, UUIDConverter) else None
        for candidate in ("uuid", "str", "int", "slug", "path"):
            url = url.replace(f"<{candidate}:{name}>", str(ids) if kind else "1")
    return url


def test_there_are_routes() -> None:
    assert len(OURS) > 10


@pytest.mark.parametrize("path", OURS)
def test_every_route_declares_its_rule(path: str) -> None:
    assert getattr(OURS[path].callback, "required_role", None) is not None, f"{path} has no access decorator"


WITH_ID = [
    path
    for path, pattern in OURS.items()
    if any(isinstance(c, UUIDConverter) for c in pattern.pattern.converters.values())
]


@pytest.mark.django_db
@pytest.mark.parametrize("path", WITH_ID)
def test_a_missing_id_is_404_for_every_method(
    path: str, other_org: Any, charlie: Any, client_for: Any
) -> None:
    client: Client = client_for(charlie)
    url = address(path, OURS[path], new_id())
    statuses = {client.get(url).status_code, client.post(url).status_code}
    assert statuses <= {404, 405}
    assert 404 in statuses


@pytest.mark.django_db
@pytest.mark.parametrize("path", OURS)
def test_nobody_gets_in_without_signing_in(path: str) -> None:
    role = getattr(OURS[path].callback, "required_role", None)
    if role == "public":
        return
    response = Client().get(address(path, OURS[path], new_id()))
    assert response.status_code in (302, 405)
    if response.status_code == 302:
        assert response.url.startswith("/accounts/login/")
