"""Mail from outside as values: encodings, quoted mail, robots, and mails built to do harm."""

from __future__ import annotations

import email

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.parsing import new_words, parse


def mail(text="Hello.", **headers):
    lines = [
        f"{name.replace('_', '-')}: {value}"
        for name, value in ({"From": "Ann <ann@firm.example>"} | headers).items()
    ]
    return ("\r\n".join(lines) + f"\r\n\r\n{text}\r\n").encode()


def test_headers_are_decoded_and_the_address_is_lower_case():
    found = parse(
        mail(
            From="=?utf-8?q?J=C3=BCrgen?= <J.Ruf@Firm.EXAMPLE>", Subject="=?iso-8859-1?q?Gr=FC=DFe?=\r\n you"
        )
    )
    assert (found.from_email, found.from_name, found.subject) == ("j.ruf@firm.example", "Jürgen", "Grüße you")


def test_references_come_nearest_first():
    found = parse(mail(In_Reply_To="<b@x>", References="<a@x>\r\n <b@x> <c@x>"))
    assert found.references == ("<b@x>", "<c@x>", "<a@x>")


@pytest.mark.parametrize(
    ("charset", "data"),
    [
        ("utf-8", "Grüße".encode()),
        ("iso-8859-1", "Grüße".encode("iso-8859-1")),
        ("windows-1252", "Grüße".encode("cp1252")),
        ("x-unknown", "Grüße".encode()),
        ("us-ascii", "Grüße".encode("cp1252")),
        ("utf-8", "Grüße".encode("cp1252")),
    ],
)
def test_texts_in_right_and_wrong_encodings_are_read(charset, data):
    raw = f"From: a@b.example\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode() + data
    assert parse(raw).text.strip() == "Grüße"


def test_html_alone_becomes_text_and_is_made_harmless():
    raw = b"From: a@b.example\r\nContent-Type: text/html\r\n\r\n<p>Hi <b>you</b></p><script>x()</script>"
    found = parse(raw)
    assert found.text.strip() == "Hi you"
    assert "script" not in found.html


def test_attachments_are_not_read():
    raw = (
        b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nsecret\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nwords\r\n--x--\r\n"
    )
    assert parse(raw).text.strip() == "words"


@pytest.mark.parametrize(
    "text",
    [
        "Yes please.\n\nOn Mon, Nov 23, 2026 at 9:00 AM Alex Moreau <alex@northbeam.example> wrote:\n> Hi Ann\n> more",
        "Yes please.\n\nAm 23.11.2026 um 09:00 schrieb Alex Moreau:\n> Hallo",
        "Yes please.\n\nFrom: Alex Moreau <alex@northbeam.example>\nSent: Monday\nTo: Ann\nSubject: Hi\n\nHi Ann",
        "Yes please.\n\nLe lun. 23 nov. 2026 à 09:00, Alex Moreau <alex@northbeam.example> a écrit :\n> Bonjour",
    ],
)
def test_the_new_words_are_cut_out(text):
    assert new_words(text) == "Yes please."


def test_a_mail_that_is_all_quote_is_kept_whole():
    assert new_words("> only\n> quoted") == "> only\n> quoted"
    assert new_words("") == ""


ROBOTS = [
    {"Auto_Submitted": "auto-replied"},
    {"Auto_Submitted": "auto-generated; x=y"},
    {"Precedence": "bulk"},
    {"Precedence": "Auto_Reply"},
    {"X_Autoreply": "yes"},
    {"X_Autorespond": "yes"},
    {"Return_Path": "<>"},
    {"List_Id": "<news.firm.example>"},
    {"From": "MAILER-DAEMON@firm.example"},
    {"From": "No-Reply <no-reply@firm.example>"},
    {"Subject": "Automatic reply: Your deliveries"},
    {"Subject": "Out of Office Re: x"},
    {"Subject": "Abwesenheitsnotiz: Ihre Mail"},
    {"Subject": "Re: Automatische Antwort: x"},
    {"Subject": "Réponse automatique : x"},
    {"Content_Type": "multipart/report; boundary=x"},
]
PEOPLE = [
    {},
    {"Auto_Submitted": "no"},
    {"Subject": "Re: our automatic doors"},
    {"Subject": "Your autopilot"},
    {"From": "Norep Lyman <norep.lyman@firm.example>"},
    {"Precedence": "normal"},
    {"Return_Path": "<ann@firm.example>"},
    {"X_Auto_Response_Suppress": "All"},
    {"Subject": "I was out of office yesterday, sorry"},
]


@pytest.mark.parametrize("headers", ROBOTS)
def test_robots_are_recognised_and_it_is_said_how(headers):
    found = parse(mail(**headers))
    assert found.is_automatic
    assert found.automatic


@pytest.mark.parametrize("headers", PEOPLE)
def test_people_are_not_called_robots(headers):
    assert not parse(mail(**headers)).is_automatic


def test_a_thousand_parts_in_parts_do_no_harm():
    raw = b"From: a@b.example\r\n"
    for i in range(1500):
        raw += f'Content-Type: multipart/mixed; boundary="{i}"\r\n\r\n--{i}\r\n'.encode()
    assert parse(raw + b"Content-Type: text/plain\r\n\r\ndeep").from_email == "a@b.example"


def test_nul_and_lone_surrogates_never_reach_the_database():
    found = parse(
        b"From: a@b.example\r\nSubject: a\x00b\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+2AA- x\x00"
    )
    for value in (found.subject, found.text, found.new_text):
        value.encode()
        assert "\x00" not in value


PIECES = [
    *(
        b"From:",
        b"Subject:",
        b"Message-ID:",
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/mixed; boundary=a",
    ),
    *(b"=?utf-8?b?", b"?=", b"\r\n", b"<", b">", b"@", b"a", b"\xff", b"--a", b"charset="),
]


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_without_a_word(raw):
    found = parse(raw)
    assert found.digest
    found.text.encode()
    found.subject.encode()


@given(st.lists(st.sampled_from(PIECES), max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_pile_of_mail_pieces_is_read_without_a_word(pieces):
    parse(b"".join(pieces))


def test_a_long_text_is_read_in_time():
    text = "> quoted line\n" * 40_000
    assert parse(mail(text)).text
    assert email.message_from_bytes(mail(text))
