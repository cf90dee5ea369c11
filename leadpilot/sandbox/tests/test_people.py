import http.server
import threading
import time
from datetime import date
from email import policy
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

import pytest

from leadpilot.sandbox.people import People
from leadpilot.sandbox.replies import return_day
from leadpilot.sandbox.servers import SandboxServers
from leadpilot.sandbox.testing import wait_for
from leadpilot.sandbox.world import REFERENCE_DAY, load_world

from .conftest import SENDER, make_mail, submit

WORLD = load_world(REFERENCE_DAY)


def answer_to(sandbox, mail, sender=SENDER):
    """The answer that came for a mail; waits for it."""
    wait_for(lambda: sandbox.inbox(sender), what="an answer")
    return sandbox.inbox(sender)[-1]


def deeds_of(sandbox, person):
    return [deed["event"] for deed in sandbox.deeds() if deed["person"] == person]


def wait_for_deeds(sandbox, person, count):
    wait_for(lambda: len(deeds_of(sandbox, person)) >= count, what=f"{count} deeds of {person}")
    return deeds_of(sandbox, person)


def test_an_interested_person_answers_in_the_thread_above_the_quoted_mail(sandbox, send):
    mail = send("maren.dewit@brightwave.example")
    answer = answer_to(sandbox, mail)
    assert answer["From"].addresses[0].addr_spec == "maren.dewit@brightwave.example"
    assert answer["To"].addresses[0].addr_spec == SENDER
    assert answer["Subject"] == "Re: A question about your autumn"
    assert answer["In-Reply-To"] == mail["Message-ID"]
    assert answer["References"] == mail["Message-ID"]
    assert answer["Auto-Submitted"] is None
    text = answer.get_content()
    assert text.startswith("Hi Alex,")
    assert "> I read about your news." in text
    assert text.index("short call next week") < text.index("VP Operations") < text.index("> Hello,")


def test_the_second_mail_gets_the_second_answer_and_the_third_none(sandbox, send):
    person = "maren.dewit@brightwave.example"
    first = answer_to(sandbox, send(person))
    second_mail = make_mail(person, In_Reply_To=first["Message-ID"], References=first["References"])
    send(person, second_mail)
    wait_for(lambda: len(sandbox.inbox(SENDER)) == 2)
    second = sandbox.inbox(SENDER)[-1]
    assert "Tuesday at 10:00" in second.get_content()
    assert second["References"].split() == [first["References"], second_mail["Message-ID"]]
    send(person)
    assert wait_for_deeds(sandbox, person, 3) == ["answered", "answered", "silent"]
    assert len(sandbox.inbox(SENDER)) == 2


def test_a_subject_that_is_a_reply_already_gets_no_second_re(sandbox, send):
    mail = make_mail("maren.dewit@brightwave.example")
    del mail["Subject"]
    mail["Subject"] = "Re: Gdansk"
    assert answer_to(sandbox, send("maren.dewit@brightwave.example", mail))["Subject"] == "Re: Gdansk"


def test_a_question_comes_in_outlooks_style(sandbox, send):
    answer = answer_to(sandbox, send("priya.raman@harborlinedental.example"))
    text = answer.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "What does it cost" in text
    assert "From: Alex Moor <alex@northbeam.example>\nSent: " in text
    assert "> " not in text
    assert "<b>Sent:</b>" in answer.get_body(("html",)).get_content()


def test_a_german_answer_uses_german_header_words(sandbox, send):
    answer = answer_to(sandbox, send("sabine.vogt@bergmann-praezision.example"))
    assert answer["Subject"].startswith("AW: ")
    text = answer.get_body(("plain",)).get_content()
    assert "kein Interesse" in text
    assert "Von: Alex Moor" in text
    assert "Betreff: " in text


def test_some_answer_in_html_only(sandbox, send):
    answer = answer_to(sandbox, send("rita@smallfox.example"))
    assert answer.get_content_type() == "text/html"
    assert "<p>Olá Alex!</p>" in answer.get_content()
    assert '<blockquote class="gmail_quote">' in answer.get_content()


def test_some_answer_between_the_quoted_lines(sandbox, send):
    text = answer_to(sandbox, send("owen.prior@kestrelpay.example")).get_content()
    assert text.index("> Hello,") < text.index("We already have a vendor") < text.index("> Alex")


def test_an_out_of_office_notice_is_marked_and_names_the_day_of_return(sandbox, send):
    mail = send("naomi.feld@verdantbio.example")
    answer = answer_to(sandbox, mail)
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer["Subject"] == "Automatic reply: A question about your autumn"
    assert answer["In-Reply-To"] == mail["Message-ID"]
    back = return_day(
        WORLD.person("naomi.feld@verdantbio.example"), parsedate_to_datetime(answer["Date"]).date()
    )
    assert f"until {back:%B} {back.day}, {back.year}," in answer.get_content()


def test_a_german_out_of_office_notice_names_the_last_day_away(sandbox, send):
    answer = answer_to(sandbox, send("klaus.bergmann@bergmann-praezision.example"))
    assert answer["Subject"].startswith("Abwesenheitsnotiz: ")
    assert "bis einschließlich " in answer.get_content()


def test_exchange_says_automatic_in_its_own_way(sandbox, send):
    answer = answer_to(sandbox, send("pablo.ibarra@casaverde-hotels.example"))
    assert answer["Auto-Submitted"] == "auto-generated"
    assert answer["X-Auto-Response-Suppress"] == "All"
    assert answer.get_content_type() == "text/html"


def test_a_ticket_system_names_no_thread(sandbox, send):
    answer = answer_to(sandbox, send("leon.petrov@pelhamrobotics.example"))
    assert answer["In-Reply-To"] is None
    assert answer["Subject"] == "[Ticket #48213] We have received your message"
    assert str(answer["From"]) == "Pelham Robotics Support <leon.petrov@pelhamrobotics.example>"


def test_a_referral_names_a_colleague_who_answers_too(sandbox, send):
    answer = answer_to(sandbox, send("joost.kamphuis@brightwave.example"))
    assert "ilse.brandt@brightwave.example" in answer.get_body(("plain",)).get_content()
    send("ilse.brandt@brightwave.example")
    wait_for(lambda: len(sandbox.inbox(SENDER)) == 2)


def test_somebody_answers_only_the_second_mail(sandbox, send):
    person = "hannah.thackray@oldmillbrewery.example"
    send(person)
    assert wait_for_deeds(sandbox, person, 1) == ["ignored"]
    assert sandbox.inbox(SENDER) == []
    send(person)
    assert wait_for_deeds(sandbox, person, 2) == ["ignored", "answered"]


def test_a_silent_person_reads_and_says_nothing(sandbox, send):
    person = "mikkel.aasen@atelier-nordlys.example"
    send(person)
    assert wait_for_deeds(sandbox, person, 1) == ["silent"]
    assert sandbox.inbox(SENDER) == []


@pytest.mark.parametrize(
    ("person", "words", "reason"),
    [
        ("sam.ellery@harborlinedental.example", "remove me from your list", "after_unsubscribe"),
        ("colin.birtwhistle@oldmillbrewery.example", "This is spam", "after_angry"),
    ],
)
def test_a_mail_after_a_stop_is_a_violation(sandbox, send, person, words, reason):
    assert words in answer_to(sandbox, send(person)).get_content()
    assert sandbox.violations() == []
    late = send(person)
    wait_for(sandbox.violations)
    [violation] = sandbox.violations()
    assert (violation["reason"], violation["rcpt"]) == (reason, person)
    assert violation["message_id"] == late["Message-ID"]
    assert 0 <= violation["seconds_after"] < 5
    assert len(sandbox.inbox(SENDER)) == 1


def test_a_mail_that_came_before_the_stop_is_no_violation(tmp_path):
    person = "sam.ellery@harborlinedental.example"
    with SandboxServers(home=tmp_path, delay=(0.4, 0.4)) as sandbox:
        submit(sandbox, make_mail(person), person)
        submit(sandbox, make_mail(person), person)
        assert wait_for_deeds(sandbox, person, 2) == ["answered", "left_alone"]
        assert sandbox.violations() == []


def test_one_address_bounces_with_a_report_to_the_envelope_sender(sandbox):
    person = "victor.osei@verdantbio.example"
    mail = make_mail(person)
    submit(sandbox, mail, person, sender="bounces@northbeam.example")
    wait_for(lambda: sandbox.inbox("bounces@northbeam.example"))
    [report] = sandbox.inbox("bounces@northbeam.example")
    assert report["Return-Path"] == "<>"
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    explanation, status, headers = report.get_payload()
    assert "user does not exist" in explanation.get_content()
    about_message, about_recipient = status.get_payload()
    assert about_message["Reporting-MTA"] == "dns; mx.verdantbio.example"
    assert about_recipient["Final-Recipient"] == f"rfc822; {person}"
    assert (about_recipient["Action"], about_recipient["Status"]) == ("failed", "5.1.1")
    assert headers.get_content_type() == "text/rfc822-headers"
    assert headers["Content-Transfer-Encoding"] == "7bit"
    assert f"Message-ID: {mail['Message-ID']}" in headers.get_payload()


def test_one_person_complains_with_a_feedback_report_to_the_envelope_sender(sandbox):
    person = "terrence.holt@ironbridge-energy.example"
    mail = make_mail(person)
    submit(sandbox, mail, person, sender="bounces@northbeam.example")
    wait_for(lambda: sandbox.inbox("bounces@northbeam.example"))
    [report] = sandbox.inbox("bounces@northbeam.example")
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "feedback-report"
    explanation, feedback, headers = report.get_payload()
    assert "marked it as spam" in explanation.get_content()
    assert feedback.get_content_type() == "message/feedback-report"
    fields = feedback.get_payload()[0]
    assert (fields["Feedback-Type"], fields["Version"]) == ("abuse", "1")
    assert fields["Original-Rcpt-To"] == f"<{person}>"
    assert f"Message-ID: {mail['Message-ID']}" in headers.get_payload()
    assert wait_for_deeds(sandbox, person, 1) == ["complained"]


def test_a_mail_to_somebody_who_complained_is_a_violation(sandbox, send):
    send("terrence.holt@ironbridge-energy.example")
    wait_for(lambda: sandbox.inbox(SENDER))
    send("terrence.holt@ironbridge-energy.example")
    wait_for(sandbox.violations)
    assert sandbox.violations()[0]["reason"] == "after_complained"


def test_the_second_mail_to_a_bouncing_address_is_a_violation(sandbox, send):
    send("victor.osei@verdantbio.example")
    wait_for(lambda: sandbox.inbox(SENDER))
    send("victor.osei@verdantbio.example")
    wait_for(sandbox.violations)
    assert sandbox.violations()[0]["reason"] == "after_bounced"


@pytest.mark.parametrize("value", ["auto-replied", "auto-generated", "auto-replied; owner-email=x@y.example"])
def test_automatic_mail_is_never_answered(sandbox, send, value):
    person = "maren.dewit@brightwave.example"
    send(person, Auto_Submitted=value)
    assert wait_for_deeds(sandbox, person, 1) == ["left_alone"]
    assert sandbox.inbox(SENDER) == []
    answer_to(sandbox, send(person, Auto_Submitted="no"))


def test_the_same_message_is_answered_once(sandbox, send):
    person = "maren.dewit@brightwave.example"
    mail = send(person)
    send(person, mail)
    assert sorted(wait_for_deeds(sandbox, person, 2)) == ["answered", "left_alone"]
    assert len(sandbox.inbox(SENDER)) == 1
    assert len(sandbox.accepted()) == 2


def test_an_answer_goes_to_reply_to(sandbox, send):
    send("maren.dewit@brightwave.example", Reply_To="sales@northbeam.example")
    wait_for(lambda: sandbox.inbox("sales@northbeam.example"))
    assert sandbox.inbox(SENDER) == []


def test_people_take_their_time(tmp_path):
    with SandboxServers(home=tmp_path, delay=(0.5, 0.6)) as sandbox:
        started = time.monotonic()
        submit(sandbox, make_mail("maren.dewit@brightwave.example"), "maren.dewit@brightwave.example")
        wait_for(lambda: sandbox.inbox(SENDER))
        assert 0.5 <= time.monotonic() - started < 2


def test_how_long_somebody_takes_is_the_same_each_time(tmp_path):
    path = tmp_path / "1000000000.abc"
    person = WORLD.people[0]
    dues = {People(tmp_path, lambda: WORLD, delay=(4, 12), seed=1)._due(person, path) for _ in range(3)}
    assert len(dues) == 1
    assert 5 <= dues.pop() <= 13
    other = People(tmp_path, lambda: WORLD, delay=(4, 12), seed=2)._due(person, path)
    assert other not in dues


def test_after_a_restart_nobody_answers_again_and_a_stop_is_remembered(tmp_path):
    sam, maren = "sam.ellery@harborlinedental.example", "maren.dewit@brightwave.example"
    with SandboxServers(home=tmp_path, delay=(0, 0)) as sandbox:
        submit(sandbox, make_mail(sam), sam)
        submit(sandbox, make_mail(maren), maren)
        wait_for(lambda: len(sandbox.inbox(SENDER)) == 2)
        wait_for(lambda: len(sandbox.deeds()) == 2)
    with SandboxServers(home=tmp_path, delay=(0, 0)) as sandbox:
        submit(sandbox, make_mail(sam), sam)
        submit(sandbox, make_mail(maren), maren)
        wait_for(lambda: len(sandbox.deeds()) == 4)
        assert len(sandbox.inbox(SENDER)) == 3
        assert "Tuesday at 10:00" in "".join(str(m) for m in sandbox.inbox(SENDER))
        assert [violation["rcpt"] for violation in sandbox.violations()] == [sam]


def test_a_crash_between_answer_and_journal_does_not_answer_twice(tmp_path):
    """The journal's last line is lost and the mail is back in `new`: as after kill -9 at the worst moment."""
    person = "maren.dewit@brightwave.example"
    with SandboxServers(home=tmp_path, delay=(0, 0)) as sandbox:
        submit(sandbox, make_mail(person), person)
        wait_for(lambda: list((tmp_path / "mail" / person / "cur").glob("*")))
        [answer] = sandbox.inbox(SENDER)
    (tmp_path / "people.jsonl").unlink()
    [read] = (tmp_path / "mail" / person / "cur").glob("*")
    read.rename(tmp_path / "mail" / person / "new" / read.name.removesuffix(":2,S"))
    [unread] = (tmp_path / "mail" / SENDER / "new").glob("*")  # meanwhile the application has read it
    unread.rename(tmp_path / "mail" / SENDER / "cur" / f"{unread.name}:2,S")
    with SandboxServers(home=tmp_path, delay=(0, 0)) as sandbox:
        assert wait_for_deeds(sandbox, person, 1) == ["answered"]
        assert [mail["Message-ID"] for mail in sandbox.inbox(SENDER)] == [answer["Message-ID"]]


def test_an_unreadable_mail_does_not_silence_the_others(sandbox, send):
    odd = "maren.dewit@brightwave.example"
    mail = BytesParser(policy=policy.SMTP).parsebytes(
        b"From: a@b.example\r\nContent-Type: text/plain; charset=nonsense\r\nDate: never\r\n\r\n\xff\xfe"
    )
    send(odd, mail)
    wait_for_deeds(sandbox, odd, 1)
    answer_to(sandbox, send("rita@smallfox.example"))


def test_the_day_of_return_is_a_working_day():
    person = WORLD.person("naomi.feld@verdantbio.example").model_copy(update={"returns_in_days": 1})
    assert return_day(person, date(2026, 11, 19)) == date(2026, 11, 20)
    assert return_day(person, date(2026, 11, 20)) == date(2026, 11, 23)


class _Unsubscribe(http.server.BaseHTTPRequestHandler):
    answers: list[int]
    bodies: list[tuple[str, bytes]]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append((self.path, body))
        self.send_response(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def unsubscribe_server():
    handler = type("Handler", (_Unsubscribe,), {"answers": [200], "bodies": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/u/token?x=1", handler
    server.shutdown()
    server.server_close()


AISHA = "aisha.rahman@kestrelpay.example"


def one_click_mail(address):
    return make_mail(
        AISHA,
        List_Unsubscribe=f"<mailto:out@northbeam.example>, <{address}>",
        List_Unsubscribe_Post="List-Unsubscribe=One-Click",
    )


def test_one_person_unsubscribes_with_one_click(sandbox, send, unsubscribe_server):
    address, handler = unsubscribe_server
    send(AISHA, one_click_mail(address))
    assert wait_for_deeds(sandbox, AISHA, 1) == ["one_click"]
    assert handler.bodies == [("/u/token?x=1", b"List-Unsubscribe=One-Click")]
    send(AISHA, one_click_mail(address))
    wait_for(sandbox.violations)
    assert sandbox.violations()[0]["reason"] == "after_one_click"
    assert len(handler.bodies) == 1


def test_one_click_is_tried_again_when_the_server_fails(sandbox, send, unsubscribe_server, monkeypatch):
    monkeypatch.setattr("leadpilot.sandbox.people.ONE_CLICK_PAUSE", 0.05)
    address, handler = unsubscribe_server
    handler.answers = [503, 200]
    send(AISHA, one_click_mail(address))
    wait_for_deeds(sandbox, AISHA, 1)
    assert len(handler.bodies) == 2
    assert "failed" not in sandbox.deeds()[0]


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, "offers no one-click"),
        ({"List_Unsubscribe": "<http://127.0.0.1:9/u>"}, "offers no one-click"),
        (
            {
                "List_Unsubscribe": "<https://example.com/u>",
                "List_Unsubscribe_Post": "List-Unsubscribe=One-Click",
            },
            "not on this machine",
        ),
    ],
)
def test_without_a_usable_header_nothing_is_posted_and_the_failure_is_noted(sandbox, send, headers, problem):
    send(AISHA, **headers)
    wait_for_deeds(sandbox, AISHA, 1)
    assert problem in sandbox.deeds()[0]["failed"]
    send(AISHA)
    wait_for_deeds(sandbox, AISHA, 2)
    assert sandbox.violations() == []
