"""A1 in the admin console: whoever is no superuser is signed out there, whatever the id (TRUST A1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from leadpilot.orgs.models import User
from leadpilot.tests.probing.answers import read
from leadpilot.tests.probing.callers import BACKEND, watched_writes
from leadpilot.tests.probing.fingerprints import fingerprint
from leadpilot.tests.probing.fixtures import Stage, make_stage
from leadpilot.tests.probing.routes import address, id_parameters
from leadpilot.tests.probing.rules_foreign import admin_names

METHODS = ("GET", "POST", "DELETE")
CALLERS = ("owner", "viewer", "anonymous")
OPEN = {"admin:login", "admin:logout"}  # the sign-in page itself, without ids
CONSOLE = sorted(admin_names() - OPEN)
PROBES = len(CONSOLE) * len(METHODS) * len(CALLERS)
# The console reads by a connection of its own, so the rows have to be committed.
pytestmark = pytest.mark.django_db(databases=["default", "system"], transaction=True)


@pytest.fixture
def stage() -> Stage:
    made = make_stage()
    User.objects.filter(pk=made.home.owner.pk).update(is_staff=True)  # staff is not support
    return made


def _value(stage: Stage, name: str) -> Any:
    """An id of the victim's that this model has, else its organization's."""
    model = name.partition(":")[2].rpartition("_")[0].partition("_")[2]
    kinds = {
        **{"organization": "org", "auditentry": "audit", "leadimport": "import", "importproblem": "problem"},
        **{
            "leadresearch": "research",
            "apiusage": "usage",
            "sequencestep": "step",
            "campaignmailbox": "pool",
        },
        **{"sendattempt": "attempt", "messageevent": "event", "inboundmessage": "inbound"},
        **{"agentconfig": "config", "agenttask": "task", "agentlog": "log"},
    }
    return stage.victim.ids.get(kinds.get(model, model), stage.victim.org.pk)


def test_nobody_but_support_gets_further_with_an_id_than_without(stage: Stage) -> None:
    before, done = fingerprint(stage.victim.org), 0
    for name in CONSOLE:
        parameters = id_parameters(name)
        for who in CALLERS:
            for method in METHODS:
                _probe(stage, name, parameters, who, method)
                done += 1
    assert fingerprint(stage.victim.org) == before
    assert done == PROBES >= 1500


def _probe(stage: Stage, name: str, parameters: list[str], who: str, method: str) -> None:
    value = str(_value(stage, name))
    filters = {"org__id__exact": str(stage.victim.org.pk), "q": stage.victim.word}
    path = address(name, *[value for _ in parameters])
    with watched_writes() as written:
        asked = [f"next={quote(path, safe='/')}", *filters.values()]
        answer = read(stage.caller(who).call(method, path, query=filters), asked)
    where = f"{method} {name} as {who}"
    # The same redirect for every page of the console: with the route and the question taken out, one answer.
    assert answer == stage.baselines.setdefault((who, method), answer), where
    assert answer.status == 302, where
    assert dict(answer.headers)["Location"].startswith("/admin/login/?[asked]"), where
    assert written == [], where


def test_support_cannot_tie_a_row_to_another_organizations(stage: Stage) -> None:
    support = Client(raise_request_exception=False)
    support.force_login(User.objects.create_superuser("support@leadpilot.example", None), backend=BACKEND)
    before = fingerprint(stage.victim.org), fingerprint(stage.home.org)
    page = reverse("admin:leads_lead_change", args=[stage.home.ids["lead"]])
    shown = support.get(page).context["adminform"].form
    form = {name: shown.get_initial_for_field(field, name) for name, field in shown.fields.items()}
    form = {name: value for name, value in form.items() if value not in (None, False, "")}
    form |= {"tags": "okapi", "custom_fields": "{}", "company_profile": str(stage.victim.ids["company"])}
    assert "company_profile" not in shown.fields
    support.post(page, form)
    assert (fingerprint(stage.victim.org), fingerprint(stage.home.org)) == before


def test_the_probes_carry_ids_of_most_kinds(stage: Stage) -> None:
    assert len({str(_value(stage, name)) for name in CONSOLE if id_parameters(name)}) > 25
