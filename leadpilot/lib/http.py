"""The one safe outbound door for HTTP: checked addresses, limits on size, time and redirects, errors in sentences."""

from __future__ import annotations

import codecs
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import charset_normalizer
import httpx2
from django.conf import settings

from leadpilot.lib import clock
from leadpilot.lib.wire import AsyncCheckedTransport, CheckedTransport, FetchError, explain

__all__ = [
    "ApiClient",
    "FetchError",
    "Response",
    "api_client",
    "async_client",
    "client",
    "fetch",
    "user_agent",
]

HTML = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5"
_REDIRECTS = (301, 302, 303, 307, 308)
_TEMPORARY = (408, 421, 425, 429, 500, 502, 503, 504)
_FINE_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
# Python codecs that are text codecs but no character sets of the web; some of them take quadratic time.
_ODD_CODECS = {
    "idna",
    "punycode",
    "unicode_escape",
    "unicode-escape",
    "raw_unicode_escape",
    "raw-unicode-escape",
    "utf-7",
}
_META_CHARSET = re.compile(
    rb"""<meta[^>]{0,200}?charset\s{0,5}=\s{0,5}["']?([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE
)


@dataclass(frozen=True)
class Response:
    """What a server answered, whatever the status; `body` is decoded from gzip and never longer than asked for."""

    url: str
    final_url: str
    status: int
    headers: dict[str, str]
    body: bytes
    elapsed_ms: int
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        """The media type alone, lower case ("text/html"), or ""."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asked us to wait (RFC 9110 10.2.3), never negative; None when it did not."""
        return _seconds(self.headers.get("retry-after", ""))

    @cached_property
    def text(self) -> str:
        """The body as text by the character set of the header, the byte order mark, the meta element, or a guess."""
        return _decode(self.body, self.headers.get("content-type", ""))

    def json(self) -> Any:
        """The body as JSON; raises FetchError ("protocol") when it is something else."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise FetchError("protocol", f"{self.url} did not answer with JSON.") from None

    def raise_for_status(self) -> Self:
        """Return the response itself when it is 2xx, else raise FetchError ("status") with `retry_after`."""
        if self.ok:
            return self
        raise FetchError(
            "status",
            f"{self.final_url} answered with status {self.status}.",
            permanent=self.status not in _TEMPORARY,
            retry_after=self.retry_after,
            status=self.status,
        )


def user_agent() -> str:
    """How LeadPilot calls itself to web sites: OUTBOUND_USER_AGENT of the settings."""
    return getattr(settings, "OUTBOUND_USER_AGENT", "") or "LeadPilot/1.0"


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    max_bytes: int = 5_000_000,
    timeout: float = 10.0,
    max_redirects: int = 5,
    accept: str = HTML,
    truncate: bool = False,
) -> Response:
    """Fetch one address of the public web, following redirects, each checked like the first.

    `timeout` is in seconds for everything together; `max_bytes` counts decoded bytes. A longer body raises FetchError
    ("too_large"), or is cut there with `truncate`. No cookies are kept. Statuses do not raise. Raises FetchError.
    """
    began = time.monotonic()
    transport = CheckedTransport()
    transport.deadline.set(timeout)
    sent = {"accept": accept, "user-agent": user_agent(), **_lower(headers)}
    here = _parse(url)
    try:
        for _ in range(max_redirects + 1):
            request = _request(method, here, headers=sent, content=content)
            answer = _send(transport, request, max_bytes=max_bytes, truncate=truncate, follow=True)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return _response(url, str(here), answer, began)
            there = _parse(answer.headers["location"], base=here)
            method, content, sent = _after_redirect(answer.status, method, content, sent, here, there)
            here = there
    except FetchError:
        raise
    except Exception as error:
        raise explain(error, str(here), timeout) from error
    finally:
        transport.close()
    raise FetchError(
        "too_many_redirects", f"{url} redirects more than {max_redirects} times.", permanent=True
    )


def api_client(
    base_url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    max_bytes: int = 10_000_000,
) -> ApiClient:
    """A client for one service that speaks JSON, through the same door; use it in `with`, from one thread."""
    return ApiClient(base_url, headers=headers, timeout=timeout, max_bytes=max_bytes)


class ApiClient:
    """Requests to one service. Keeps its connection, follows no redirects, repeats nothing, raises FetchError."""

    def __init__(
        self, base_url: str, *, headers: Mapping[str, str] | None, timeout: float, max_bytes: int
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._origin = _origin(_parse(self.base_url))
        self._headers = {"accept": "application/json", "user-agent": user_agent(), **_lower(headers)}
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._transport = CheckedTransport()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Send one request. `path` begins with "/", or is a full address of the same service ("next page")."""
        url = _parse(path if "://" in path else f"{self.base_url}/{path.lstrip('/')}")
        if _origin(url) != self._origin:
            raise FetchError("refused", f"{_bare(url)} is not an address of {self.base_url}.", permanent=True)
        seconds = timeout if timeout is not None else self._timeout
        self._transport.deadline.set(seconds)
        began = time.monotonic()
        if params:
            url = url.copy_merge_params(dict(params))
        try:
            request = _request(
                method,
                url,
                headers={**self._headers, **_lower(headers)},
                content=content,
                data=data,
                json=json,
            )
            answer = _send(self._transport, request, max_bytes=self._max_bytes, truncate=False, follow=False)
        except FetchError:
            raise
        except Exception as error:
            raise explain(error, _bare(url), seconds) from error
        return _response(_bare(url), _bare(url), answer, began)

    def get(self, path: str, **options: Any) -> Response:
        """`request("GET", …)`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Response:
        """`request("POST", …)`."""
        return self.request("POST", path, **options)

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def client(*, timeout: float = 30.0, **options: Any) -> httpx2.Client:
    """A plain httpx2 client through the door, for SDKs that take one; `timeout` holds for each step, not for all."""
    return httpx2.Client(transport=CheckedTransport(), timeout=timeout, trust_env=False, **options)


def async_client(*, timeout: float = 30.0, **options: Any) -> httpx2.AsyncClient:
    """The same for asynchronous SDKs (openai, anthropic)."""
    return httpx2.AsyncClient(transport=AsyncCheckedTransport(), timeout=timeout, trust_env=False, **options)


@dataclass
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes = b""
    truncated: bool = False


def _send(
    transport: CheckedTransport, request: httpx2.Request, *, max_bytes: int, truncate: bool, follow: bool
) -> _Answer:
    """One request and its whole answer; the body of a redirect that will be followed is not read."""
    url = _bare(request.url)
    response = transport.handle_request(request)
    try:
        answer = _Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()})
        if follow and answer.status in _REDIRECTS and "location" in answer.headers:
            return answer
        if answer.headers.get("content-encoding", "").strip().lower() not in _FINE_ENCODINGS:
            raise FetchError("protocol", f"{url} uses a compression that we did not ask for.", permanent=True)
        if request.method == "HEAD":
            return answer
        if not truncate and _declared(answer.headers) > max_bytes:
            raise _too_large(url, max_bytes)
        answer.body, answer.truncated = _read(transport, response, max_bytes)
    finally:
        response.close()
    if answer.truncated and not truncate:
        raise _too_large(url, max_bytes)
    return answer


def _read(transport: CheckedTransport, response: httpx2.Response, max_bytes: int) -> tuple[bytes, bool]:
    """Read up to a limit of decoded bytes. httpx2 inflates in pieces of 1 MiB, so a bomb stays small here."""
    body = bytearray()
    for chunk in response.iter_bytes():
        transport.deadline.limit(None)
        body += chunk[: max_bytes + 1 - len(body)]
        if len(body) > max_bytes:
            return bytes(body[:max_bytes]), True
    return bytes(body), False


def _parse(text: str, base: httpx2.URL | None = None) -> httpx2.URL:
    """Read an address as strictly as a suspicious reader would; FetchError ("refused") for anything but plain http(s)."""
    shown = "".join(c if c.isprintable() else "?" for c in text[:200])
    if not text or len(text) > 4000 or "\\" in text or any(not c.isprintable() for c in text):
        raise FetchError("refused", f"{shown or 'The empty address'} is not a web address.", permanent=True)
    try:
        url = base.join(text.strip()) if base else httpx2.URL(text.strip())
    except (httpx2.InvalidURL, ValueError, UnicodeError):
        raise FetchError("refused", f"{shown} is not a web address.", permanent=True) from None
    if url.scheme not in ("http", "https") or not url.host or url.port == 0:
        raise FetchError("refused", f"{shown} is not an http or https address.", permanent=True)
    if url.userinfo:
        raise FetchError(
            "refused", f"{_bare(url)} was given with a user name in it; leave that out.", permanent=True
        )
    return url.copy_with(fragment=None)


def _request(method: str, url: httpx2.URL, **options: Any) -> httpx2.Request:
    steps = dict.fromkeys(("connect", "read", "write", "pool"))
    request = httpx2.Request(method, url, extensions={"timeout": steps}, **options)
    request.headers["accept-encoding"] = "gzip, deflate"
    return request


def _after_redirect(
    status: int, method: str, content: bytes | None, sent: dict[str, str], here: httpx2.URL, there: httpx2.URL
) -> tuple[str, bytes | None, dict[str, str]]:
    """What the next request looks like: other hosts get no credentials and no body (RFC 9110 15.4)."""
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, content = "GET", None
    if _origin(here) != _origin(there):
        content = None
        sent = {k: v for k, v in sent.items() if k in ("accept", "user-agent", "accept-language")}
    return method, content, sent


def _response(url: str, final_url: str, answer: _Answer, began: float) -> Response:
    elapsed = round((time.monotonic() - began) * 1000)
    return Response(url, final_url, answer.status, answer.headers, answer.body, elapsed, answer.truncated)


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _bare(url: httpx2.URL) -> str:
    """An address for messages and logs: without user, query and fragment, where keys may be."""
    return str(url.copy_with(username=None, password=None, query=None, fragment=None))


def _declared(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0


def _too_large(url: str, max_bytes: int) -> FetchError:
    size = f"{max_bytes / 1e6:g} MB" if max_bytes >= 100_000 else f"{max_bytes} bytes"
    return FetchError("too_large", f"{url} is larger than {size}.", permanent=True)


def _seconds(value: str) -> float | None:
    if value.strip().isdecimal() and value.isascii():
        return float(value.strip()[:9])
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment - clock.now()).total_seconds())
    except (ValueError, TypeError, IndexError):
        return None


def _decode(body: bytes, content_type: str) -> str:
    declared = re.search(r"charset\s*=\s*[\"']?([\w:.-]{2,40})", content_type, re.IGNORECASE)
    meta = _META_CHARSET.search(body[:2048])
    names = [declared.group(1) if declared else "", meta.group(1).decode() if meta else ""]
    if body.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        names.insert(0, "utf-8-sig" if body.startswith(codecs.BOM_UTF8) else "utf-16")
    for name in filter(None, names):
        try:
            if codecs.lookup(name).name not in _ODD_CODECS:
                return body.decode(name, errors="replace")
        except (LookupError, ValueError):
            continue
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(body)  # a character cut at the end is no error
    except UnicodeDecodeError:
        guess = charset_normalizer.from_bytes(body[:65_536]).best()
        return body.decode(guess.encoding if guess else "cp1252", errors="replace")
