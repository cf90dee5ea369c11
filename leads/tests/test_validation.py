import re

import hypothesis
import pytest
from hypothesis import strategies as st

from leads import domains
from leads.models.lead import EMAIL_PATTERN
from leads.validation import MAX_CUSTOM_VALUE, clean, email_fault, normal_email, split_tags, tidy

_LOCAL = st.text("aZ9._%+-ü' ", min_size=0, max_size=70)
_DOMAIN = st.text("aZ9.-_ ü", min_size=0, max_size=30)


@hypothesis.given(
    local=_LOCAL,
    domain=_DOMAIN,
    end=st.sampled_from(["", ".de", ".co.uk", ".x", ".c0m", ".DE", ".de\n", "."]),
)
@hypothesis.example(local="a" * 64, domain="firm", end=".de")
@hypothesis.example(local="a" * 65, domain="firm", end=".de")
@hypothesis.example(local="a", domain="a" * 64, end=".de")
@hypothesis.example(local="a", domain=".".join(["a" * 60] * 4), end=".example")
@hypothesis.example(local="a", domain="firm-", end=".de")
@hypothesis.example(local="A.b", domain="Firm", end=".De")
def test_whatever_is_taken_as_an_address_is_one_that_the_database_takes(local, domain, end):
    cleaned, faults = clean({"email": f"{local}@{domain}{end}"}, partial=True)
    email = cleaned["email"]
    if not faults:
        assert re.match(EMAIL_PATTERN, email)
        assert len(email) <= 254
        assert email == email.lower() == normal_email(email)


@pytest.mark.parametrize(
    ("given", "email"),
    [
        (" Ada@Engine.example ", "ada@engine.example"),
        ("mailto:ada@engine.example", "ada@engine.example"),
        ("Ada Lovelace <ADA@engine.example>", "ada@engine.example"),
        ("<ada@engine.example>", "ada@engine.example"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada\u200b@engine.example", "ada@engine.example"),
        ("a.b+c%d_e-f@sub.engine.example", "a.b+c%d_e-f@sub.engine.example"),
    ],
)
def test_addresses_are_made_plain(given, email):
    assert normal_email(given) == email
    assert email_fault(email) == ""


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("", "missing"),
        ("nowhere", "it has no @"),
        ("a@b", "not a valid email"),
        ("a@b.c", "not a valid email"),
        ("a..b@c.de", "not a valid email"),
        (".a@c.de", "not a valid email"),
        ("a b@c.de", "not a valid email"),
        ("ü@c.de", "has “ü” before the @, which is not supported"),
        ("ü@c.de", "Use another address of this person"),
        ("o'brien@c.de", "has “'” before the @"),
        ("ü b@c.de", "not a valid email"),
        ("a@-c.de", "not a valid mail domain"),
        ("a@c..de", "not a valid email"),
        ("a@c.de, b@c.de", "several addresses"),
        ("x" * 65 + "@c.de", "too long"),
        ("a@" + "c" * 64 + ".de", "not a valid mail domain"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(email, words):
    assert words in email_fault(email)


@pytest.mark.parametrize(
    ("field", "given", "url"),
    [
        ("website_url", "acme.example", "https://acme.example"),
        ("website_url", "//acme.example/x", "https://acme.example/x"),
        ("website_url", "http://acme.example:8080/a?b=c#d", "http://acme.example:8080/a?b=c#d"),
        ("website_url", "N/A", ""),
        ("website_url", "-", ""),
        ("linkedin_url", "in/ada", "https://www.linkedin.com/in/ada"),
        ("linkedin_url", "www.linkedin.com/in/ada", "https://www.linkedin.com/in/ada"),
        ("twitter_url", "@ada", "https://twitter.com/ada"),
        ("ig_url", "ada_l", "https://www.instagram.com/ada_l"),
        ("ig_url", "instagram.com/ada", "https://instagram.com/ada"),
    ],
)
def test_web_addresses_are_completed(field, given, url):
    assert clean({field: given}, partial=True) == ({field: url}, [])


@pytest.mark.parametrize(
    "given",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://a.example", "acme", "two words.example",
     "https://", "https://user:pass@acme.example", "https://acme.example:99999", "http://[::1", "https://a_b.example",
     "http://127.0.0.1/"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused_and_quoted(given):
    _, (fault,) = clean({"website_url": given}, partial=True)
    assert fault.field == "website_url"
    assert given[:80] in fault.message


def test_name_and_address_must_be_there_and_the_rest_may_be():
    _, faults = clean({})
    assert [fault.field for fault in faults] == ["name", "email"]
    assert clean({"name": "Al", "email": "a@b.co"}) == ({"name": "Al", "email": "a@b.co"}, [])
    assert clean({}, partial=True) == ({}, [])


@pytest.mark.parametrize(("length", "good"), [(0, False), (1, True), (2, True), (100, True), (101, False)])
def test_a_name_has_1_to_100_characters(length, good):
    _, faults = clean({"name": "x" * length}, partial=True)
    assert (not faults) is good


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("company", "x" * 201),
        ("phone", "1" * 41),
        ("website_url", "https://acme.example/" + "x" * 500),
        ("tags", "x" * 61),
        ("tags", ",".join(f"t{i}" for i in range(51))),
        ("custom_fields", {"note": "x" * (MAX_CUSTOM_VALUE + 1)}),
        ("custom_fields", "text"),
        ("time_zone", "Berlin"),
    ],
)
def test_too_much_is_refused_never_cut(field, value):
    _, (fault,) = clean({field: value}, partial=True)
    assert fault.field == field


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("  a \u00a0 b\n\tc ", "a b c"),
        ('="0049123"', "0049123"),
        ("x\x00y\u202e", "xy"),
        (None, ""),
        (5, "5"),
        ("=1+1", "=1+1"),
        ("plain text", "plain text"),
        ("a\u2028b", "a b"),
    ],
)
def test_texts_are_tidied(given, text):
    assert tidy(given) == text


def test_tags_are_split_and_each_kept_once():
    assert split_tags("a, b;a |c, n/a,") == ["a", "b", "c"]
    assert split_tags(["a ", "a", "", "d,e"]) == ["a", "d,e"]
    first = split_tags("a,b")
    first.append("x")
    assert split_tags("a,b") == ["a", "b"]  # what is remembered is not handed out


@pytest.mark.parametrize(
    ("email", "url", "domain"),
    [
        ("a@acme.example", "", "acme.example"),
        ("a@acme.example", "https://other.example", "acme.example"),
        ("a@gmail.com", "https://www.acme.example/x", "acme.example"),
        ("a@gmail.com", "https://linkedin.com/in/a", ""),
        ("a@gmail.com", "", ""),
        ("a@gmail.com", "http://[broken", ""),
    ],
)
def test_which_domain_stands_for_the_company(email, url, domain):
    assert domains.company_domain(email, url) == domain


def test_a_domain_and_those_above_it():
    assert domains.with_parents("mail.acme.co.uk") == ["mail.acme.co.uk", "acme.co.uk", "co.uk"]
