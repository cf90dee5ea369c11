"""The bytes that leave, read back with Python's own mail parser."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rendering import (
    BadContent,
    Conversation,
    Envelope,
    base_subject,
    build_bytes,
    compose,
    content_hash,
    new_message_id,
    thread_subject,
)

PK = UUID(int=7)
URL = "https://app.example/u/" + "a" * 110 + "/"
ORG = SimpleNamespace(name="Northbeam", postal_address="1 Harbour Street\n20457 Hamburg")
MAILBOX = SimpleNamespace(
    email="alex@northbeam.example", from_name="Alex Moreau", signature="Alex\nNorthbeam"
)


def lead(name="Ann Li", address="ann@firm.example"):
    return SimpleNamespace(name=name, email=address)


def build(
    subject="Your deliveries", body="Hi Ann,\n\nfirst line.\nSecond.", to=None, mailbox=MAILBOX, **envelope
):
    to = to or lead()
    message = SimpleNamespace(pk=PK, from_email=mailbox.email, to_email=to.email, subject=subject, body=body)
    values = {
        "message_id": new_message_id(PK, mailbox.email),
        "date": datetime(2026, 11, 21, tzinfo=UTC),
        "unsubscribe_url": URL,
    }
    return build_bytes(
        org=ORG, mailbox=mailbox, lead=to, message=message, envelope=Envelope(**values | envelope)
    )


def read(raw):
    return email.message_from_bytes(raw, policy=policy.default)


def part(mail, kind):
    return mail.get_body((kind,)).get_content().replace("\r\n", "\n")


def test_it_has_every_header_a_bulk_sender_owes():
    mail = read(build())
    assert mail["From"] == "Alex Moreau <alex@northbeam.example>"
    assert mail["To"] == "Ann Li <ann@firm.example>"
    assert mail["Message-ID"] == f"<{PK.hex}@northbeam.example>"
    assert mail["List-Unsubscribe"] == f"<{URL}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Date"].datetime == datetime(2026, 11, 21, tzinfo=UTC)
    assert mail["Auto-Submitted"] is None
    assert mail["In-Reply-To"] is None
    assert not mail.defects


def test_text_and_html_say_the_same_with_signature_address_and_link():
    mail = read(build())
    text, html = part(mail, "plain"), part(mail, "html")
    assert text.startswith("Hi Ann,\n\nfirst line.\nSecond.\n\nAlex\nNorthbeam\n")
    assert "Northbeam, 1 Harbour Street, 20457 Hamburg" in text
    assert text.count(URL) == 1
    assert f'<a href="{URL}">' in html
    assert "<p>first line.<br>Second.</p>" in html


def test_an_answer_has_no_foot_and_says_so_when_a_machine_sends_it():
    mail = read(
        build(
            unsubscribe_url="", automatic=True, conversation=Conversation("Pricing", "<q@firm.example>", ())
        )
    )
    assert mail["List-Unsubscribe"] is None
    assert mail["Auto-Submitted"] == "auto-replied"
    assert "Unsubscribe" not in part(mail, "plain")


def test_a_follow_up_continues_the_thread_by_subject_and_references():
    talk = Conversation("Your deliveries", "<b@northbeam.example>", ("<a@northbeam.example>",))
    mail = read(build(subject="", conversation=talk))
    assert mail["Subject"] == "Re: Your deliveries"
    assert mail["In-Reply-To"] == "<b@northbeam.example>"
    assert mail["References"].split() == ["<a@northbeam.example>", "<b@northbeam.example>"]


@pytest.mark.parametrize(
    ("subject", "root", "expected"),
    [
        ("", "Hello", "Re: Hello"),
        ("Re: old words", "Re: Hello", "Re: Hello"),
        ("Something new", "Hello", "Something new"),
        ("Hello", "", "Hello"),
        ("AW: x", "Fwd: Hello", "Re: Hello"),
    ],
)
def test_the_subject_of_a_follow_up(subject, root, expected):
    assert thread_subject(subject, Conversation(subject=root)) == expected


def test_base_subject_takes_all_prefixes_away():
    assert base_subject("Re: AW: Fwd: Re[2]: Hello") == "Hello"


@pytest.mark.parametrize("bad", ["a\r\nBcc: x@y.example", "a\nb", "a\x00b", "a\rb", "a\u2028b"])
def test_line_breaks_and_nul_are_refused_in_subject_and_names(bad):
    with pytest.raises(BadContent) as found:
        build(subject=bad)
    assert found.value.field == "subject"
    with pytest.raises(BadContent):
        build(to=lead(name=bad))
    with pytest.raises(BadContent):
        build(mailbox=SimpleNamespace(email="a@b.example", from_name=bad, signature=""))


@pytest.mark.parametrize(
    "bad",
    [
        "ann@firm.example\r\nRCPT TO:<x@y.example>",
        "ann",
        "ann@firm",
        "a nn@firm.example",
        "<ann@firm.example>",
        "änn@firm.example",
    ],
)
def test_addresses_that_are_none_are_refused(bad):
    with pytest.raises(BadContent):
        build(to=lead(address=bad))


def test_control_characters_in_the_text_are_refused_and_odd_line_ends_mended():
    with pytest.raises(BadContent) as found:
        build(body="bell \x07")
    assert found.value.field == "body"
    assert part(read(build(body="a\r\nb\rc")), "plain").startswith("a\nb\nc\n")


def test_a_forged_message_id_cannot_break_into_the_headers():
    with pytest.raises(BadContent):
        build(conversation=Conversation("x", "<a@b>\r\nBcc: <c@d>", ()))


@given(
    subject=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=300),
    body=st.text(st.characters(exclude_categories=["C"], include_characters="\n\t.\r"), max_size=3000),
    name=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=100),
)
def test_any_words_become_lines_a_mail_server_takes_and_come_back_unchanged(subject, body, name):
    raw = build(subject=subject, body=body, to=lead(name=name), unsubscribe_url="")
    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)
    assert raw.isascii()
    wanted = body.replace("\r\n", "\n").replace("\r", "\n").strip()
    got = part(read(raw), "plain")
    assert got.strip("\n").startswith(wanted) or not wanted


def test_html_in_the_text_is_shown_not_run():
    html = part(read(build(body="<script>alert(1)</script> & <b>bold</b>")), "html")
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in html


def test_long_names_subjects_and_many_references_are_folded():
    talk = Conversation("s" * 280, "<last@x.example>", tuple(f"<{i}{'r' * 60}@x.example>" for i in range(40)))
    raw = build(subject="", conversation=talk, to=lead(name="Ä" * 100))
    mail = read(raw)
    assert mail["Subject"] == "Re: " + "s" * 280
    to = email.message_from_bytes(raw)["To"]
    assert str(make_header(decode_header(to))) == "Ä" * 100 + " <ann@firm.example>"
    assert len(mail["References"].split()) == 13


def test_the_hash_binds_sender_recipient_subject_and_text():
    base = {"from_email": "a@b.example", "to_email": "c@d.example", "subject": "s", "body": "b"}
    assert content_hash(**base) == content_hash(**base | {"from_email": "A@b.example"})
    for change in (
        {"from_email": "x@b.example"},
        {"to_email": "x@d.example"},
        {"subject": "t"},
        {"body": "c"},
    ):
        assert content_hash(**base | change) != content_hash(**base)
    assert content_hash(**base | {"subject": "sb", "body": ""}) != content_hash(
        **base | {"subject": "s", "body": "b"}
    )


def test_composing_shows_what_will_be_sent():
    shown = compose(org=ORG, mailbox=MAILBOX, lead=lead(), subject="Hi", body="Text", unsubscribe_url=URL)
    assert (shown.subject, shown.from_email, shown.to_email) == ("Hi", MAILBOX.email, "ann@firm.example")
    assert shown.text == part(read(build(subject="Hi", body="Text")), "plain")
