"""Which tools and which networks a page gives away."""

from __future__ import annotations

import pytest

from leads.research.tell_tales import is_personal, network_of, technologies


@pytest.mark.parametrize(
    ("url", "network", "personal"),
    [
        ("https://www.linkedin.com/in/ada", "linkedin", True),
        ("https://de.linkedin.com/pub/ada", "linkedin", True),
        ("https://www.linkedin.com/company/acme", "linkedin", False),
        ("https://x.com/ada", "twitter", True),
        ("https://instagram.com/ada", "instagram", True),
        ("https://github.com/acme", "github", False),
        ("https://www.facebook.com/acme", "facebook", False),
    ],
)
def test_profiles_are_told_by_their_address(url: str, network: str, personal: bool) -> None:
    assert network_of(url) == network
    assert is_personal(url) is personal


@pytest.mark.parametrize(
    "url",
    [
        "https://www.linkedin.com/",
        "https://www.linkedin.com/share?url=https://acme.example",
        "https://twitter.com/intent/tweet",
        "https://www.facebook.com/sharer/x",
        "https://acme.example/linkedin",
        "https://linkedin.com.evil.example/in/ada",
        "http://[broken/in/ada",
        "not an address",
        "",
    ],
)
def test_share_buttons_look_alikes_and_rubbish_are_no_profiles(url: str) -> None:
    assert network_of(url) == ""
    assert not is_personal(url)


def test_tools_are_found_in_the_markup_and_in_a_line_that_names_them() -> None:
    markup = '<script src="/wp-content/themes/a.js"></script>'
    assert technologies(markup) == ["WordPress"]
    assert technologies("", "Built with Django, HTMX and care.") == ["Django", "HTMX"]
    assert technologies("<p>plain</p>", "Nothing is said.") == []


def test_only_the_beginning_of_an_enormous_page_is_searched() -> None:
    assert technologies(" " * 300_000 + '<script src="/wp-content/a.js"></script>') == []
