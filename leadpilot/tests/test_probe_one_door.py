"""A7: there is one door. Whoever opens a connection or asks for an address elsewhere fails the build."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

OPENS = {
    *(
        "create_connection",
        "open_connection",
        "create_datagram_endpoint",
        "socketpair",
        "urlopen",
        "urlretrieve",
    ),
    *(
        "getaddrinfo",
        "gethostbyname",
        "gethostbyname_ex",
        "HTTPConnection",
        "HTTPSConnection",
        "FTP",
        "Telnet",
    ),
    *("SMTP_SSL", "IMAP4_SSL", "POP3", "HTTPTransport", "AsyncHTTPTransport", "AsyncClient", "ClientSession"),
}
LIBRARIES = {
    "requests",
    "urllib3",
    "aiohttp",
    "urllib.request",
    "http.client",
    "ftplib",
    "poplib",
    "aiosmtplib",
}
# Why each of these may.
DOORS = {
    "leadpilot/lib/outbound.py": "the door itself",
    "leadpilot/lib/upstream.py": "to the operator's own proxy, which is told a checked address",
    "leadpilot/lib/http.py": "clients over the door's transport",
    "leadpilot/lib/wire.py": "the door's transport",
    "leadpilot/lib/proxy.py": "passes on sockets that the door opened",
    "agent/llm.py": "to the operator's own model, named in the settings",
}
INSIDE = (
    "leadpilot/run/",
    "leadpilot/postgres/",
    "leadpilot/sandbox/",
    "leadpilot/trust/",
    "leadpilot/bench/",
)


def sources() -> Iterator[tuple[str, ast.Module]]:
    for app in ("leads", "campaigns", "agent", "leadpilot"):
        for path in sorted(Path(settings.BASE_DIR, app).rglob("*.py")):
            name = str(path.relative_to(settings.BASE_DIR))
            if "/tests/" not in name and not name.startswith(INSIDE):
                yield name, ast.parse(path.read_text())


def openings(tree: ast.Module) -> list[str]:
    """What a module calls or imports that could open a connection."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in OPENS:
                found.append(f"{name}, line {node.lineno}")
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in LIBRARIES]
        elif isinstance(node, ast.ImportFrom) and node.module in LIBRARIES:
            found.append(str(node.module))
    return found


def test_nothing_opens_a_connection_but_by_the_door() -> None:
    found = {name: opened for name, tree in sources() if (opened := openings(tree))}
    assert set(found) - set(DOORS) == set(), {n: o for n, o in found.items() if n not in DOORS}
    assert set(DOORS) - set(found) - {"leadpilot/lib/proxy.py", "leadpilot/lib/wire.py"} == set(), (
        "no door any more"
    )


def test_the_scan_would_notice() -> None:
    told = openings(
        ast.parse("import requests\nimport socket\nsocket.create_connection(('a', 1))\nurlopen('x')")
    )
    assert len(told) == 3
