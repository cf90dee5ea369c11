"""Which connection a query takes: the application's role, or, in the admin console, the system's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_alias: ContextVar[str] = ContextVar("database_alias", default="default")


@contextmanager
def system_database() -> Iterator[None]:
    """Inside, queries run as the system role, over all organizations: the admin console and data migrations."""
    token = _alias.set("system")
    try:
        yield
    finally:
        _alias.reset(token)


@contextmanager
def application_database() -> Iterator[None]:
    """Inside, queries run as the application's role again: a service that the admin console calls."""
    token = _alias.set("default")
    try:
        yield
    finally:
        _alias.reset(token)


class SystemRouter:
    """Routes by the context; all aliases are the same database."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return _alias.get()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return _alias.get()

    def allow_relation(self, *args: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "owner"
