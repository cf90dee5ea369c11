"""Who calls: the people of one organization, a stranger with an empty one, someone without any, and nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client

from leadpilot.orgs.models import Membership, User
from leadpilot.orgs.services import create_organization
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.rules import Rule
from leadpilot.tests.probing.world import Furnished

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
RANK = {"viewer": 0, "member": 1, "admin": 2, "owner": 3}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass
class Caller:
    """One person with a session; `role` is that in their own organization, "nobody" without one, or "anonymous"."""

    name: str
    role: str
    session: str = ""
    client: Client = field(default_factory=Client)

    def call(self, method: str, path: str, *, htmx: bool = False, query: Any = None, form: Any = None) -> Any:
        """One request with this person's session and no other cookies."""
        self.client.cookies.clear()
        if self.session:
            self.client.cookies[settings.SESSION_COOKIE_NAME] = self.session
        headers = {"HX-Request": "true"} if htmx else {}
        send = getattr(self.client, method.lower())
        extra: dict[str, Any] = {"query_params": query} if query else {}
        return send(path, *([form] if method == "POST" and form else []), headers=headers, **extra)


def expected(rule: Rule, caller: Caller, method: str, htmx: bool) -> int:
    """The status that a rule declares for an id that is not there."""
    if rule.role != "public":
        if caller.role == "anonymous":
            return 401 if htmx else 302
        if rule.role != "signed_in":
            if caller.role == "nobody":
                return 302
            if RANK[caller.role] < RANK[rule.role]:
                return 403
    return rule.answer if method in rule.methods else 405


def people(home: Furnished) -> list[Caller]:
    """The four roles at home, the owner of an empty organization, a user without one, and nobody."""
    callers = [_signed_in("owner", "owner", home.owner)]
    for role in ("admin", "member", "viewer"):
        user = User.objects.create_user(f"{role}@{home.word}.example", None, name=role.title())
        with org_context(home.org.pk):
            Membership.objects.create(org=home.org, user=user, role=role)
        callers.append(_signed_in(role, role, user))
    stranger = User.objects.create_user("stranger@empty.example", None, name="Stranger")
    create_organization(name="Empty", slug="empty", owner=stranger)
    nobody = User.objects.create_user("nobody@nowhere.example", None, name="Nobody")
    return [
        *callers,
        _signed_in("stranger", "owner", stranger),
        _signed_in("nobody", "nobody", nobody),
        Caller("anonymous", "anonymous"),
    ]


def _signed_in(name: str, role: str, user: User) -> Caller:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return Caller(name, role, client.cookies[settings.SESSION_COOKIE_NAME].value, client)


@contextmanager
def watched_writes() -> Iterator[list[str]]:
    """Collects every statement that would write, whatever it then changed."""
    seen: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if str(sql).lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY")):
            seen.append(str(sql)[:200])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield seen
