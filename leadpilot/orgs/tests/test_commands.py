"""The sign-in link for whoever runs the server, and the check that the database's second lock is closed."""

from __future__ import annotations

from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from leadpilot.orgs import checks

pytestmark = pytest.mark.django_db(databases=["default", "system"])


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("sign_in_link", *arguments, stdout=out)
    return out.getvalue().strip()


def test_the_link_that_is_printed_signs_its_owner_in_once(alice: Any, org: Any, settings: Any) -> None:
    settings.PUBLIC_URL = "https://pilot.example"
    link = printed("--email", "Alice@Team.example")
    assert link.startswith("https://pilot.example/enter/")
    client = Client()
    assert client.get(urlsplit(link).path).status_code == 302
    assert client.session["_auth_user_id"] == str(alice.pk)
    again = Client()
    again.get(urlsplit(link).path)
    assert "_auth_user_id" not in again.session


def test_without_a_demo_organization_the_way_to_one_is_named() -> None:
    with pytest.raises(
        CommandError, match=r"nobody signs in as demo@leadpilot\.example; run “make setup” first"
    ):
        printed()


def test_the_applications_own_role_is_confined() -> None:
    assert checks.application_role_is_confined(databases=["default"]) == []
    assert [found for found in run_checks(databases=["default"]) if str(found.id).startswith("orgs.")] == []


def test_a_role_that_passes_by_row_security_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "connections", {"default": connections["system"]})
    (error,) = checks.application_role_is_confined(databases=["default"])
    assert error.id == "orgs.E002"
    assert connections["system"].settings_dict["USER"] in error.msg
    assert "BYPASSRLS" in error.hint


def test_a_database_that_is_not_there_is_an_error_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = connections["default"].copy()
    nowhere.settings_dict = {**nowhere.settings_dict, "HOST": "127.0.0.1", "PORT": "1"}
    monkeypatch.setattr(checks, "connections", {"default": nowhere})
    (error,) = checks.application_role_is_confined(databases=["default"])
    assert error.id == "orgs.E001"
    assert "cannot be reached" in error.msg


def test_where_no_database_is_asked_for_none_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "connections", {})
    assert checks.application_role_is_confined(databases=None) == []
    assert checks.application_role_is_confined(databases=["system"]) == []
