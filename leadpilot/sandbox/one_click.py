"""Unsubscribe as a mail program does it: the POST of RFC 8058. Reaches loopback addresses only."""

import http.client
import ipaddress
import re
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

BODY = b"List-Unsubscribe=One-Click"
SECONDS = 10


@dataclass(frozen=True)
class Outcome:
    """What came of it; `again` says whether another try could help."""

    done: bool
    address: str = ""
    problem: str = ""
    again: bool = False


def unsubscribe(message: Message) -> Outcome:
    """POST to the mail's List-Unsubscribe address when its headers allow that."""
    post = "".join(str(message.get("List-Unsubscribe-Post", "")).split())
    address = _web_address(str(message.get("List-Unsubscribe", "")))
    if post.lower() != "list-unsubscribe=one-click" or not address:
        return Outcome(done=False, address=address, problem="the mail offers no one-click unsubscribe")
    parts = urlsplit(address)
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        return Outcome(done=False, address=address, problem="the address is not on this machine")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SECONDS)
        connection.request("POST", target or "/", BODY, headers)
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        return Outcome(done=False, address=address, problem=str(error) or type(error).__name__, again=True)
    if 200 <= status < 300:
        return Outcome(done=True, address=address)
    return Outcome(done=False, address=address, problem=f"answered {status}", again=status >= 500)


def _web_address(header: str) -> str:
    found = re.search(r"<\s*(https?://[^>\s]+)\s*>", "".join(header.split()))
    return found[1] if found else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
