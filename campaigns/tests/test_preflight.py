"""The list before activation: a real mailbox needs an unsubscribe link that opens where the reader is."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.services import campaigns
from campaigns.services.preflight import link_problem, preflight
from campaigns.tests.pages import at

pytestmark = pytest.mark.django_db

LOCAL = "http://127.0.0.1:8000"
REAL = {"email": "alex@northbeam.io", "smtp_host": "smtp.northbeam.io"}


def unsubscribe_check(world: Any, campaign: Any) -> Any:
    with world.context():
        return next(check for check in preflight(campaign=campaign) if check.name == "unsubscribe")


def draft(world: Any, **mailbox: Any) -> Any:
    return world.campaign(world.mailbox(**mailbox), active=False)


@pytest.mark.parametrize(
    "url",
    [
        LOCAL,
        "http://localhost:8000",
        "https://leadpilot.example",
        "https://10.0.0.7",
        "https://[::1]:8000",
        "https://crm",
        "http://leadpilot.northbeam.io",
    ],
)
def test_a_real_mailbox_does_not_start_with_links_that_readers_cannot_open(
    world: Any, settings: Any, url: str
) -> None:
    settings.PUBLIC_URL = url
    campaign = draft(world, **REAL)
    check = unsubscribe_check(world, campaign)
    assert (check.ok, check.blocks) == (False, True)
    assert f"PUBLIC_URL is {url}" in check.message
    assert "Set PUBLIC_URL" in check.message
    with world.context(), pytest.raises(campaigns.NotReady, match="PUBLIC_URL"):
        campaigns.activate(campaign=campaign)
    assert world.fresh(campaign).status == "draft"


def test_with_a_public_https_address_it_starts(world: Any, settings: Any) -> None:
    settings.PUBLIC_URL = "https://leadpilot.northbeam.io"
    campaign = draft(world, **REAL)
    assert unsubscribe_check(world, campaign).ok
    with world.context():
        campaigns.activate(campaign=campaign)
    assert world.fresh(campaign).status == "active"


def test_the_sandbox_needs_no_public_address(world: Any, settings: Any) -> None:
    settings.PUBLIC_URL = LOCAL
    assert unsubscribe_check(world, draft(world)).ok


def test_one_real_mailbox_among_several_is_enough(world: Any, settings: Any) -> None:
    settings.PUBLIC_URL = LOCAL
    campaign = world.campaign(world.mailbox(), world.mailbox(**REAL), active=False)
    assert "alex@northbeam.io writes to real people" in unsubscribe_check(world, campaign).message


def test_mail_that_stays_on_this_machine_is_warned_about(world: Any, settings: Any) -> None:
    settings.PUBLIC_URL = LOCAL
    check = unsubscribe_check(world, draft(world, email="alex@northbeam.io"))  # to a server on 127.0.0.1
    assert (check.ok, check.blocks) == (False, False)


def test_what_is_wrong_with_the_link_is_named() -> None:
    assert link_problem("https://leadpilot.northbeam.io") == ""
    assert "https" in link_problem("http://leadpilot.northbeam.io")
    assert "only this machine" in link_problem("https://192.168.1.4:8443")


def test_the_page_says_what_to_set(client_for: Any, alice: Any, world: Any, settings: Any) -> None:
    settings.PUBLIC_URL = LOCAL
    campaign = draft(world, **REAL)
    client = client_for(alice)
    assert "Set PUBLIC_URL" in client.get(at("campaign_detail", campaign)).text
    answer = client.post(at("campaign_activate", campaign), follow=True)
    assert "Set PUBLIC_URL" in answer.text
    assert world.fresh(campaign).status == "draft"
