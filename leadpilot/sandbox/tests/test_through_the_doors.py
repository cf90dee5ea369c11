"""The application's own outbound doors lead to the sandbox when the settings say so."""

import smtplib

import pytest

from leadpilot.lib import browser, http, outbound
from leadpilot.lib.http import FetchError


def test_the_http_door_reaches_a_site_by_its_name(sandbox):
    response = http.fetch("http://brightwave.example/news/gdansk-office")
    assert response.status == 200
    assert "14 colleagues" in response.text


def test_the_http_door_gives_up_on_a_redirect_without_end(sandbox):
    with pytest.raises(FetchError):
        http.fetch("http://oldmillbrewery.example/shop")


def test_the_mail_door_reaches_the_mail_server(sandbox):
    connection = outbound.connect("smtp.northbeam.example", 2525, timeout=5, purpose="mail")
    try:
        assert connection.recv(100).startswith(b"220 smtp.northbeam.example")
    finally:
        connection.close()
    assert smtplib.SMTP("127.0.0.1", sandbox.smtp_port).noop()[0] == 250


@pytest.mark.browser
def test_the_browser_sees_what_plain_http_does_not(sandbox):
    if browser.find_browser() is None:
        pytest.skip("no Chromium on this machine")
    address = "http://atelier-nordlys.example/notes/floro-shortlist"
    assert "71 entries" not in http.fetch(address).text
    with browser.Browser() as chromium:
        rendered = chromium.render(address, timeout=20, max_bytes=5_000_000)
    assert "71 entries" in rendered.html
