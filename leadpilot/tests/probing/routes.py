"""Every entry of the URL resolver under one name, and the addresses that reach it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

from leadpilot.tests.probing.rules import OURS
from leadpilot.tests.probing.rules_foreign import ACCOUNTS, admin_names

ONLY_DEBUG = {"styleguide"}


@cache
def all_routes() -> dict[str, tuple[str, URLPattern]]:
    """{name: (route, pattern)}; an entry without a name goes by its route."""
    return {
        name: (route, pattern) for name, route, pattern in _walk(get_resolver()) if name not in ONLY_DEBUG
    }


def _walk(resolver: Any, prefix: str = "", space: str = "") -> Iterator[tuple[str, str, URLPattern]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry, route, f"{space}{entry.namespace}:" if entry.namespace else space)
        else:
            yield f"{space}{entry.name}" if entry.name else route, route, entry


def declared() -> set[str]:
    """Every name that has a rule."""
    return {*OURS, *ACCOUNTS, *admin_names()}


def address(name: str, *values: Any) -> str:
    """The path of a route with these values for its parameters, in their order."""
    route = all_routes()[name][0]
    for value in values:
        route = re.sub(r"<(?:\w+:)?\w+>|\(\?P<\w+>(?:[^()]|\([^()]*\))*\)", str(value), route, count=1)
    return "/" + route.replace("^", "").removesuffix("$")


def id_parameters(name: str) -> list[str]:
    """The names of a route's path parameters."""
    return re.findall(r"<(?:\w+:)?(\w+)>", all_routes()[name][0])


def looks_like_id(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
