"""An answer in the form in which two of them are compared, and what is taken out of it first, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

# A fresh mask of the same token in each answer (Django's BREACH protection).
_CSRF = re.compile(r'(name="csrfmiddlewaretoken" value=|"X-CSRFToken": )"[A-Za-z0-9]{64}"')
# "just now" becomes "1 minute ago" between two requests, and what a request makes, it makes now.
_AGO = re.compile(r"<time [^>]*>[^<]*</time>")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# A sign-in link that this very request made.
_LINK = re.compile(r"/enter/[A-Za-z0-9_-]{43}/")
# Cookies are told by name: a session's or a token's value is random. Flash messages are read from the request.
_HEADERS = ("Location", "Content-Type", "Content-Disposition", "Allow", "Vary", "Content-Security-Policy")
_HTMX = ("HX-Trigger", "HX-Redirect", "HX-Push-Url", "HX-Location", "HX-Retarget")


@dataclass(frozen=True)
class Answer:
    """What a caller can tell of a response; two are the same when nobody could tell them apart."""

    status: int
    headers: tuple[tuple[str, str], ...]
    said: tuple[str, ...]
    body: str

    def __contains__(self, word: str) -> bool:
        """Whether a word stands anywhere in it, in whatever case."""
        everything = " ".join([*(v for _, v in self.headers), *self.said, self.body])
        return word.lower() in everything.lower()


def read(response: Any, asked: Iterable[Any], known: Iterable[Any] = ()) -> Answer:
    """The comparable form of a response.

    `asked` are the values that were probed: an answer may quote the question ("?next=/leads/ID/", a pagination link),
    so they read the same in both. Ids that are neither asked nor `known` were made just now by this very request.
    """
    asked = sorted({str(value) for value in asked}, key=len, reverse=True)
    keep = {str(value) for value in known} - set(asked)

    def plain(text: str) -> str:
        for value in asked:
            text = text.replace(value, "[asked]").replace(quote(value, safe=""), "[asked]")
        text = _CSRF.sub(r'\1"[csrf]"', text)
        text = _LINK.sub("[new link]", _AGO.sub("[time]", text))
        return _UUID.sub(lambda found: found.group() if found.group() in keep else "[new id]", text)

    headers = [(name, plain(response[name])) for name in (*_HEADERS, *_HTMX) if name in response]
    headers += [("Set-Cookie", name) for name in sorted(response.cookies)]
    queued = getattr(getattr(response.wsgi_request, "_messages", None), "_queued_messages", [])
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return Answer(
        response.status_code,
        tuple(headers),
        tuple(plain(str(message)) for message in queued),
        plain(body.decode("utf-8", "replace")),
    )
