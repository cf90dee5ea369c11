"""The watch over the whole suite's logs hears what production would write, and would notice a secret in it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from campaigns.models import Mailbox
from leadpilot.lib import logs
from leadpilot.orgs.tenancy import org_context

log = logging.getLogger("leadpilot.probe")


def test_it_hears_what_is_logged(log_watch: Any) -> None:
    before = log_watch.lines
    log.warning("hello")
    assert log_watch.lines == before + 1
    assert log_watch.take() == []


@pytest.mark.parametrize("said", ["He said correct horse battery.", "/u/" + "a" * 64 + "." + "b" * 43 + "/"])
def test_it_would_notice(log_watch: Any, said: str) -> None:
    log_watch.read(said)
    assert log_watch.take() == [said]


@pytest.mark.django_db
def test_it_knows_every_secret_that_is_stored(log_watch: Any, org: Any) -> None:
    with org_context(org.pk):
        mailbox = Mailbox(org=org, email="a@acme.example")
        mailbox.write_secret("smtp_password", "a password of this test")
    log_watch.read("it was a password of this test")
    assert len(log_watch.take()) == 1


def test_what_is_kept_elsewhere_is_cleaned_like_a_log_line() -> None:
    assert logs.clean("password=hunter2hunter2") == "password=[hidden]"
