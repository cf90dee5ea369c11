"""The inbox and a conversation: what is shown, who may act, what a correction does."""

from __future__ import annotations

import uuid

import pytest

from campaigns.models import InboundMessage, Thread
from campaigns.services import threads
from campaigns.tests.pages import (
    Talk,
    assert_get_only,
    assert_only_for_members,
    assert_post_only,
    assert_viewers_may_not,
    at,
    queries_of,
    said,
    sent,
    talk,
)
from campaigns.windows import zone_of
from leadpilot.lib import clock
from leadpilot.lib.errors import DomainError

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_listens")]


@pytest.fixture
def ann(world, campaign) -> Talk:
    return talk(world, campaign, "Sounds good, call me.", name="Ann Li")


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


# the list


def test_it_lists_conversations_with_the_answer_its_class_and_who(client, ann):
    text = client.get(at("inbox")).content.decode()
    assert "Ann Li" in text
    assert "Sounds good, call me." in text
    assert "Interested" in text
    assert "is-unread" in text


def test_an_empty_inbox_says_what_to_do_next(client, org):
    text = client.get(at("inbox")).content.decode()
    assert "No answers yet" in text
    assert at("mailbox_list") in text


def test_a_conversation_without_an_answer_is_not_in_the_inbox(client, world, campaign):
    sent(world, campaign, "Silent Sue")
    assert "Silent Sue" not in client.get(at("inbox")).content.decode()


def test_an_answer_that_is_not_read_yet_says_so(client, world, campaign):
    talk(world, campaign, kind="")
    assert "being read" in client.get(at("inbox")).content.decode()


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?q=ann", ["Ann Li"]),
        ("?q=photos", ["Bo Ek"]),
        ("?kind=question", ["Bo Ek"]),
        ("?kind=interested", ["Ann Li"]),
        ("?kind=nonsense", ["Ann Li", "Bo Ek"]),
        ("?mailbox=nonsense", ["Ann Li", "Bo Ek"]),
        ("?state=nonsense", ["Ann Li", "Bo Ek"]),
        ("?state=closed", []),
        ("?q=nobody", []),
        ("?page=99", ["Ann Li", "Bo Ek"]),
    ],
)
def test_the_filters_narrow_the_list(client, world, campaign, ann, query, shown):
    talk(world, campaign, "Does it work with photos?", name="Bo Ek", kind="question")
    text = client.get(at("inbox", query=query)).content.decode()
    assert [name for name in ("Ann Li", "Bo Ek") if name in text] == shown


def test_it_narrows_to_a_campaign_and_to_a_mailbox(client, world, campaign, ann):
    other = world.campaign(world.mailbox(), name="Winter")
    bo = talk(world, other, name="Bo Ek")
    by_campaign = client.get(at("inbox", query=f"?campaign={other.pk}")).content.decode()
    assert "Bo Ek" in by_campaign
    assert "Ann Li" not in by_campaign
    by_mailbox = client.get(at("inbox", query=f"?mailbox={bo.thread.mailbox_id}")).content.decode()
    assert "Bo Ek" in by_mailbox
    assert "Ann Li" not in by_mailbox


def test_a_filter_that_finds_nothing_says_so(client, ann):
    assert "Nothing found" in client.get(at("inbox", query="?q=zzz")).content.decode()


def test_an_htmx_request_gets_the_split_alone(client, ann):
    answer = client.get(at("inbox"), headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert text.lstrip().startswith('<div id="inbox"')
    assert "<html" not in text
    assert "HX-Request" in answer["Vary"]


def test_the_inbox_takes_no_more_queries_for_more_rows(client, world, campaign):
    for number in range(10):
        talk(world, campaign, name=f"One {number}")
    few = queries_of(client, at("inbox"))
    for number in range(10):
        talk(world, campaign, name=f"Two {number}")
    assert queries_of(client, at("inbox")) == few


# a conversation


def test_a_conversation_shows_both_sides_and_what_is_known_of_the_lead(client, ann):
    text = client.get(at("thread", ann.thread)).content.decode()
    assert f"Hello {ann.message.lead.name}." in text
    assert "Sounds good, call me." in text
    assert "It says so." in text
    assert ann.message.lead.email in text
    assert "The lead answered" in text


def test_opening_it_reads_it_and_the_counter_follows(client, world, ann):
    assert world.fresh(ann.thread).unread
    answer = client.get(at("thread", ann.thread), headers={"HX-Request": "true"})
    assert not world.fresh(ann.thread).unread
    assert (
        '<span id="nav-count-inbox" class="nav-count" hx-swap-oob="true"></span>' in answer.content.decode()
    )


def test_a_viewer_reads_without_marking_it_as_read(client_for, bob, world, ann):
    answer = client_for(bob).get(at("thread", ann.thread))
    assert answer.status_code == 200
    assert world.fresh(ann.thread).unread
    assert at("inbound_classify", ann.inbound) not in answer.content.decode()


def test_a_conversation_we_began_can_be_opened_before_an_answer(client, world, campaign):
    message = sent(world, campaign, "Silent Sue")
    assert "Silent Sue" in client.get(at("thread", message.thread)).content.decode()


def test_text_of_an_answer_is_never_markup(client, world, campaign):
    evil = talk(world, campaign, "<script>alert(1)</script> <b>hi</b>")
    for page in (at("inbox"), at("thread", evil.thread)):
        text = client.get(page).content.decode()
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


def test_a_conversation_takes_no_more_queries_for_more_mails(client, world, ann):
    few = queries_of(client, at("thread", ann.thread))
    with world.context():
        for number in range(10):
            InboundMessage.objects.create(
                org=world.org,
                mailbox_id=ann.thread.mailbox_id,
                thread=ann.thread,
                lead_id=ann.message.lead_id,
                source_key=f"more {number}",
                from_email="ann@firm.example",
                new_text=f"More {number}",
                classification="other",
            )
    assert queries_of(client, at("thread", ann.thread)) == few


# closing, opening, keeping as new


def test_closing_takes_it_out_of_the_list_and_opening_brings_it_back(client, world, ann):
    answer = client.post(at("thread_state", ann.thread))
    assert answer.url == at("inbox")
    assert not world.fresh(ann.thread).is_open
    assert "Ann Li" not in client.get(at("inbox")).content.decode().split("toasts")[0]
    assert client.post(at("thread_state", ann.thread)).url == at("thread", ann.thread)
    assert world.fresh(ann.thread).is_open


def test_marking_it_as_unread_keeps_it_new(client, world, ann):
    client.get(at("thread", ann.thread))
    assert client.post(at("thread_unread", ann.thread)).url == at("inbox")
    assert world.fresh(ann.thread).unread


@pytest.mark.parametrize(("days", "distance"), [("1", 1), ("3", 3), ("7", 7)])
def test_snoozing_puts_it_out_of_sight_until_a_morning(client, world, ann, days, distance):
    assert client.post(at("thread_snooze", ann.thread), {"days": days}).url == at("inbox")
    until = world.fresh(ann.thread).snoozed_until.astimezone(zone_of(world.org.time_zone))
    assert (until.hour, until.minute) == (9, 0)
    assert (until.date() - clock.now().astimezone(until.tzinfo).date()).days == distance
    assert "Ann Li" not in client.get(at("inbox")).content.decode()
    assert "Ann Li" in client.get(at("inbox", query="?state=snoozed")).content.decode()


@pytest.mark.parametrize("days", ["", "0", "2", "-1", "x", "99999999999"])
def test_anything_else_wakes_it(client, world, ann, days):
    client.post(at("thread_snooze", ann.thread), {"days": "7"})
    client.post(at("thread_snooze", ann.thread), {"days": days})
    assert world.fresh(ann.thread).snoozed_until is None
    assert "Ann Li" in client.get(at("inbox")).content.decode()


# giving it to somebody


def test_a_conversation_is_given_to_a_member_and_found_under_mine(client, client_for, mia, world, ann):
    assert "Nothing is yours" in client_for(mia).get(at("inbox", query="?state=mine")).content.decode()
    answer = client.post(at("thread_assign", ann.thread), {"to": str(mia.pk)})
    assert answer.url == at("thread", ann.thread)
    assert world.fresh(ann.thread).assigned_to_id == mia.pk
    assert "Ann Li" in client_for(mia).get(at("inbox", query="?state=mine")).content.decode()
    assert "Ann Li" not in client.get(at("inbox", query="?state=mine")).content.decode()
    client.post(at("thread_assign", ann.thread), {"to": ""})
    assert world.fresh(ann.thread).assigned_to_id is None


@pytest.mark.parametrize("who", ["bob", "charlie", "nonsense"])
def test_it_is_given_to_nobody_who_may_not_answer(client, request, world, ann, bob, charlie, who):
    to = "x" if who == "nonsense" else str(request.getfixturevalue(who).pk)
    answer = client.post(at("thread_assign", ann.thread), {"to": to})
    assert answer.status_code == 422
    assert "Choose a member" in answer.content.decode()
    assert world.fresh(ann.thread).assigned_to_id is None


def test_the_service_refuses_a_viewer_too(world, ann, bob):
    with world.context(), pytest.raises(DomainError, match="may not answer"):
        threads.assign_thread(thread=ann.thread, to=bob)


# parts that refresh by themselves


def test_the_list_and_the_conversation_refresh_alone_and_read_nothing(client, world, ann):
    page = client.get(at("inbox", query="?kind=interested")).content.decode()
    assert f'hx-get="{at("inbox")}?kind=interested"' in page
    for part, shown in (("inbox-list", "data-list"), ("turns", "msg-in")):
        poll = client.get(at("thread", ann.thread), headers={"HX-Request": "true", "HX-Target": part})
        text = poll.content.decode()
        assert shown in text
        assert 'id="inbox"' not in text
    assert world.fresh(ann.thread).unread


# correcting a class


def test_a_correction_is_kept_with_its_author_and_the_sequence_follows(client, world, campaign):
    away = talk(world, campaign, "I am away until Monday.", kind="other")
    answer = client.post(at("inbound_classify", away.inbound), {"classification": "not_interested"})
    assert answer.url == at("thread", away.thread)
    mail = world.fresh(away.inbound)
    assert (mail.classification, mail.classified_by) == ("not_interested", "alice@team.example")
    assert mail.classification_reason == "Corrected by Alice. It was read as “other” before."
    assert world.fresh(away.message).enrollment.status == "stopped"


def test_what_was_taken_for_a_robot_is_a_person_when_a_person_says_so(client, world, campaign):
    away = talk(world, campaign, "Yes please, call me.", kind="out_of_office")
    world.change(away.inbound, is_automatic=True, handled_at=clock.now())
    world.change(away.message, replied=False)
    client.post(at("inbound_classify", away.inbound), {"classification": "interested"})
    mail = world.fresh(away.inbound)
    assert not mail.is_automatic
    assert mail.handled_at is None
    assert world.fresh(away.message).replied
    assert world.fresh(away.message).lead.status == "replied"


def test_what_was_taken_for_an_answer_counts_as_none_when_it_was_a_robot(client, world, ann):
    answer = client.post(at("inbound_classify", ann.inbound), {"classification": "auto_reply"})
    assert world.fresh(ann.inbound).is_automatic
    assert not world.fresh(ann.message).replied
    assert world.fresh(ann.message).lead.status == "emailed"
    assert "The sequence stays stopped" in said(answer)[0]
    assert "The sequence stays stopped" in client.get(at("thread", ann.thread)).content.decode()


def test_an_opt_out_that_was_recorded_stays_and_the_screen_says_so(client, world, campaign):
    left = talk(world, campaign, "Stop by for a coffee!", kind="unsubscribe")
    answer = client.post(at("inbound_classify", left.inbound), {"classification": "interested"})
    assert world.fresh(left.inbound).classification == "interested"
    assert world.fresh(left.message).lead.status == "unsubscribed"
    assert "stays on the suppression list (unsubscribed) until a person takes it off" in said(answer)[0]


def test_saying_the_same_class_confirms_it(client, world, ann):
    client.post(at("inbound_classify", ann.inbound), {"classification": "interested"})
    mail = world.fresh(ann.inbound)
    assert (mail.confidence, mail.classification_reason) == (1.0, "Confirmed by Alice.")


def test_a_class_that_does_not_exist_is_refused_on_the_page_itself(client, world, ann):
    answer = client.post(at("inbound_classify", ann.inbound), {"classification": "lovely"})
    assert answer.status_code == 422
    assert "“lovely” is not a class" in answer.content.decode()
    assert world.fresh(ann.inbound).classification == "interested"


# formatted mail


def test_formatted_mail_is_only_shown_in_a_frame_that_may_nothing(client, world, campaign):
    rich = talk(world, campaign, html="<p>Rich <b>text</b></p><script>alert(7)</script>")
    page = client.get(at("thread", rich.thread)).content.decode()
    assert "Rich <b>text</b>" not in page
    assert f'sandbox="" src="{at("inbound_html", rich.inbound)}"' in page
    answer = client.get(at("inbound_html", rich.inbound))
    assert "Rich <b>text</b>" in answer.content.decode()
    assert "alert(7)" not in answer.content.decode()
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "http" not in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_a_mail_that_was_never_formatted_has_no_frame(client, ann):
    assert "<iframe" not in client.get(at("thread", ann.thread)).content.decode()


# who may


def test_strangers_find_nothing(client_for, charlie, other_org, ann):
    for name, row in (("thread", ann.thread), ("inbound_html", ann.inbound)):
        assert_only_for_members(client_for, at(name, row), charlie=charlie)
    for name, row in (
        ("thread_state", ann.thread),
        ("thread_unread", ann.thread),
        ("thread_snooze", ann.thread),
        ("thread_assign", ann.thread),
        ("inbound_classify", ann.inbound),
    ):
        assert_only_for_members(client_for, at(name, row), charlie=charlie, method="post")
    assert "Ann Li" not in client_for(charlie).get(at("inbox")).content.decode()


def test_viewers_may_not_act_and_the_wrong_method_is_refused(client_for, client, bob, ann):
    for name, row in (
        ("thread_state", ann.thread),
        ("thread_unread", ann.thread),
        ("thread_snooze", ann.thread),
        ("thread_assign", ann.thread),
        ("inbound_classify", ann.inbound),
    ):
        assert_viewers_may_not(client_for, at(name, row), bob=bob)
        assert_post_only(client, at(name, row))
    for url in (at("inbox"), at("thread", ann.thread), at("inbound_html", ann.inbound)):
        assert_get_only(client, url)


def test_a_missing_conversation_is_not_found(client, org):
    assert client.get(f"/inbox/{uuid.uuid4()}/").status_code == 404


def test_nobody_signed_in_is_sent_to_sign_in(db, ann):
    from django.test import Client

    assert Client().get(at("inbox")).status_code == 302


def test_members_may_act(client_for, mia, world, ann):
    assert client_for(mia).post(at("thread_state", ann.thread)).status_code == 302
    with world.context():
        assert not Thread.objects.get(pk=ann.thread.pk).is_open
