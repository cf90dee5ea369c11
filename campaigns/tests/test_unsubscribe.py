"""The public opt-out page: only a signed link works, only a POST acts, and then nothing is sent any more."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client

from campaigns.services import delivery, unsubscribe
from leads.models import LeadStatus, Suppression
from leads.services.leads import archive_lead

pytestmark = pytest.mark.django_db


@pytest.fixture
def link(world, ready):
    message, mailbox = ready()
    message = world.fresh(message)
    url = unsubscribe.unsubscribe_url(org_id=world.org.pk, lead_id=message.lead_id, message_id=message.pk)
    return message, mailbox, re.sub(r"^https?://[^/]+", "", url)


def test_the_link_in_the_mail_is_the_page(link, sink, world):
    _, mailbox, path = link
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    assert f"{path}>".encode() in sink.accepted[0].data
    assert Client().get(path).status_code == 200


def test_looking_changes_nothing(link, world):
    message, _, path = link
    page = Client().get(path)
    assert b'<form method="post">' in page.content
    assert message.to_email.encode() not in page.content
    assert b"l\xe2\x80\xa6@" in page.content
    assert page["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-cache" in page["Cache-Control"]
    assert Client().head(path).status_code == 200
    assert world.fresh(message).lead.status == LeadStatus.NEW


def test_posting_opts_out_before_the_next_mail(link, world, sink):
    message, mailbox, path = link
    page = Client(enforce_csrf_checks=True).post(path)
    assert page.status_code == 200
    assert b"You are unsubscribed" in page.content
    assert delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk).counts == {}
    assert sink.accepted == []
    message = world.fresh(message)
    assert message.status == "cancelled"
    assert message.unsubscribed
    assert message.lead.status == LeadStatus.UNSUBSCRIBED
    assert message.enrollment.stop_reason == "unsubscribed"
    with world.context():
        assert Suppression.objects.get(value=message.to_email).reason == "unsubscribed"


def test_one_click_needs_no_cookie_and_may_come_twice(link, world):
    message, _, path = link
    for _ in range(2):
        page = Client(enforce_csrf_checks=True).post(path, {"List-Unsubscribe": "One-Click"})
        assert (page.status_code, page.content) == (200, b"You are unsubscribed.")
    with world.context():
        assert Suppression.objects.count() == 1
        assert message.events.filter(kind="unsubscribed").count() == 1
    assert b"You are unsubscribed" in Client().get(path).content


def test_the_address_that_was_written_to_is_suppressed_even_if_the_lead_has_another_now(link, world):
    message, _, path = link
    world.change(message.lead, email="moved@firm.example")
    Client().post(path)
    with world.context():
        values = set(Suppression.objects.values_list("value", flat=True))
    assert values == {message.to_email, "moved@firm.example"}


def test_forged_and_damaged_links_are_not_found(link, world):
    _, _, path = link
    token = path.split("/")[2]
    ids, _, signature = token.partition(".")
    other = unsubscribe.make_token(org_id=uuid4(), lead_id=uuid4())
    for bad in (
        ids,
        f"{ids}.x",
        f"{ids}x.{signature}",
        "x.y",
        f"{other.partition('.')[0]}.{signature}",
        token[:-2],
    ):
        assert Client().get(f"/u/{bad}/").status_code == 404
        assert Client().post(f"/u/{bad}/").status_code == 404


def test_a_link_of_an_organization_that_is_gone_is_not_found():
    token = unsubscribe.make_token(org_id=uuid4(), lead_id=uuid4())
    assert Client().get(f"/u/{token}/").status_code == 404


def test_a_person_who_was_deleted_is_told_it_is_done(world):
    token = unsubscribe.make_token(org_id=world.org.pk, lead_id=uuid4())
    assert b"will not write to you again" in Client().post(f"/u/{token}/").content


def test_other_methods_are_refused(link):
    assert Client().put(link[2]).status_code == 405
    assert Client().delete(link[2]).status_code == 405


def test_it_works_for_someone_signed_in_to_another_organization(link, world, other_org, charlie, client_for):
    message, _, path = link
    assert client_for(charlie).post(path).status_code == 200
    assert world.fresh(message).lead.status == LeadStatus.UNSUBSCRIBED


def test_an_archived_lead_can_still_opt_out(link, world):
    message, _, path = link
    with world.context():
        archive_lead(lead=message.lead)
    Client().post(path)
    with world.context():
        assert Suppression.objects.filter(value=message.to_email, reason="unsubscribed").exists()
