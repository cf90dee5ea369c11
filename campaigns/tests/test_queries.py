"""What the pages read: right rows, no more queries for more rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import queries
from campaigns.models import Mailbox
from campaigns.services import delivery, inbound, threads
from campaigns.tests.mails import bounce, reply
from leadpilot.lib import clock
from leads.queries import timeline

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_listens")]


def converse(world, count, **headers):
    """So many leads that were written to and answered."""
    mailbox = world.mailbox()
    campaign = world.campaign(mailbox, name=f"Campaign {mailbox.email}")
    messages = [world.approve(world.enroll(campaign, world.lead())) for _ in range(count)]
    delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk)
    with world.context():
        mailbox = Mailbox.objects.select_related("org").get(pk=mailbox.pk)
        for message in messages:
            raw = reply(message, f"Answer of {message.to_email}", **headers)
            inbound.receive(mailbox=mailbox, raw=raw, source_key=str(message.pk))
    return [world.fresh(message) for message in messages]


def test_threads_with_something_new_are_counted_unless_they_sleep(world):
    [first, _] = converse(world, 2)
    with world.context():
        assert queries.unread_count(world.org) == 2
        threads.snooze_thread(thread=first.thread, until=clock.now() + timedelta(days=1))
        assert queries.unread_count(world.org) == 1


def test_mailboxes_show_what_is_left_today_and_troubled_ones_come_first(world):
    converse(world, 2)
    broken = world.mailbox(status="paused", daily_cap=5)
    with world.context():
        first, second = queries.mailbox_list(world.org)
    assert first.mailbox == broken
    assert (first.cap, first.used, first.left) == (5, 0, 5)
    assert (second.used, second.left, second.waiting) == (2, 998, 0)


def test_a_leads_timeline_tells_the_whole_story(world):
    [message] = converse(world, 1)
    with world.context():
        mailbox = Mailbox.objects.select_related("org").get(pk=message.mailbox_id)
        inbound.receive(mailbox=mailbox, raw=bounce(message), source_key="b")
        kinds = {item.kind for item in timeline(message.lead)}
    assert {
        "enrolled",
        "mail_approved",
        "mail_sent",
        "mail_replied",
        "mail_bounced",
        "reply",
        "sequence_over",
    } <= kinds


def test_more_rows_need_no_more_queries(world):
    def count():
        with world.context(), CaptureQueriesContext(connection) as captured:
            queries.unread_count(world.org)
            queries.mailbox_list(world.org)
        return len(captured)

    converse(world, 1)
    few = count()
    converse(world, 4)
    assert count() == few


def test_sending_needs_few_queries_a_mail(world):
    def queries_for(number):
        mailbox = world.mailbox()
        campaign = world.campaign(mailbox, name=f"{number}")
        for _ in range(number):
            world.approve(world.enroll(campaign, world.lead()))
        with CaptureQueriesContext(connection) as captured:
            assert delivery.drain(org_id=world.org.pk, mailbox_id=mailbox.pk).counts == {"sent": number}
        return len(captured)

    a_mail = (queries_for(12) - queries_for(2)) / 10
    assert a_mail <= 45
