"""Mutants of the first lock: one filter by organization at a time is left out while a request runs.

The filters are found in the source by their syntax tree, and met at run time by file and line: every one of them,
`for_org(…)` too, ends in `QuerySet.filter(org…=…)`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

APPS = ("leads", "campaigns", "agent", "leadpilot/orgs")
ORG = {"org", "org_id"}
_ROOT = f"{settings.BASE_DIR}/"
_NOT_SITES = ("/tests/", "/.venv/", "/orgs/tenancy.py")
_ORG_IS = re.compile(r'((?:"?\w+"?\.)?"?\borg_id"? = (?:%s|\(?"?\w+"?\."?org_id"?\)?))')


class Site(NamedTuple):
    """A call that narrows a query to an organization."""

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.file}:{self.first}"


def sites() -> list[Site]:
    """Every such call in the applications' source, tests and migrations aside."""
    found = []
    for app in APPS:
        for path in sorted(Path(_ROOT, app).rglob("*.py")):
            name = str(path).removeprefix(_ROOT)
            if any(part in f"/{name}" for part in (*_NOT_SITES, "/migrations/")):
                continue
            calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
            found += [Site(name, *_lines(call)) for call in calls if _narrows(call)]
    return found


def _narrows(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", "")
    given = {keyword.arg for keyword in call.keywords}
    if "user" in given:
        return (
            False  # asks for a membership by both its ends: the organization is the question, not its scope
        )
    return name == "for_org" or (name in ("filter", "get", "get_or_create") and bool(given & ORG))


def _lines(call: ast.Call) -> tuple[int, int]:
    """From the line of the method's name, where a chain may span several, to the end of its arguments."""
    return int(call.func.end_lineno or call.lineno), int(call.end_lineno or call.lineno)


def _caller() -> tuple[str, int]:
    frame: Any = sys._getframe(2)
    while frame:
        file = frame.f_code.co_filename
        if file.startswith(_ROOT) and not any(part in file for part in _NOT_SITES):
            return file.removeprefix(_ROOT), frame.f_lineno
        frame = frame.f_back
    return "", 0


@contextmanager
def watching(known: list[Site], without: Site | None = None) -> Iterator[set[Site]]:
    """Collect the sites that are met; with `without`, that one narrows nothing."""
    met: set[Site] = set()
    by_file: dict[str, list[Site]] = {}
    for site in known:
        by_file.setdefault(site.file, []).append(site)
    real = QuerySet.filter

    def filter_(self: Any, *args: Any, **kwargs: Any) -> Any:
        if ORG & kwargs.keys():
            file, line = _caller()
            here = next((s for s in by_file.get(file, ()) if s.first <= line <= s.last), None)
            if here:
                met.add(here)
            if here and here == without:
                kwargs = {name: value for name, value in kwargs.items() if name not in ORG}
        return real(self, *args, **kwargs)

    QuerySet.filter = filter_  # type: ignore[method-assign]
    try:
        yield met
    finally:
        QuerySet.filter = real  # type: ignore[method-assign]


@contextmanager
def without_any() -> Iterator[list[str]]:
    """Every comparison with an organization's id, the ORM's or our own SQL's, is made true in every statement."""
    changed: list[str] = []

    def rewrite(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if isinstance(sql, str):
            head, where, tail = sql.partition("WHERE")
            bare = _ORG_IS.sub(r"(\1 OR true)", tail)
            if bare != tail:
                changed.append(sql)
            sql = head + where + bare
        return execute(sql, params, many, context)

    with connection.execute_wrapper(rewrite):
        yield changed
