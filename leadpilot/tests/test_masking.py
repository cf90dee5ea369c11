from __future__ import annotations

import base64

import pytest

from leadpilot.lib.masking import HIDDEN, mask

SECRET = 'q"uo<te>&\\91/üben'


@pytest.mark.parametrize("before", ["", "a", "ab", "\0alex\0", "\0al\0"])
@pytest.mark.parametrize("after", ["", "x", "yz"])
@pytest.mark.parametrize("secret", [SECRET, "Kestrel-77-wander", "sixsix", "seven grey herons"])
def test_a_secret_is_found_in_base64_wherever_it_stands(before: str, after: str, secret: str) -> None:
    told = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    masked = mask(f"535 wrong: {told}", secret)
    assert HIDDEN in masked
    left = masked.removeprefix("535 wrong: ").replace(HIDDEN, "").rstrip("=")
    assert len(left) <= 4 * (len(before) + len(after) + 2) / 3 + 2, "no more than what stands around it"


@pytest.mark.parametrize("said", ["wrong {}", '(LOGIN "alex" "{}")', "{}{}", "http://alex:{}@host/"])
def test_it_is_found_as_it_is(said: str) -> None:
    assert "wander" not in mask(said.replace("{}", "Kestrel-77-wander"), "Kestrel-77-wander")


def test_it_is_found_as_imap_and_addresses_quote_it() -> None:
    assert mask('LOGIN "q\\"uo<te>&\\\\91/üben"', SECRET) == f'LOGIN "{HIDDEN}"'
    assert mask("q%22uo%3Cte%3E%26%5C91%2F%C3%BCben", SECRET) == HIDDEN


def test_other_words_stay() -> None:
    assert mask("535 5.7.8 Authentication failed", SECRET, "", "5.7") == "535 5.7.8 Authentication failed"
