"""A11: starts that fail, and a proxy that does not let us out, tell no password of the settings."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
from django.conf import settings as conf

from leadpilot.lib import http
from leadpilot.lib.http import FetchError
from leadpilot.tests.probing.planted import SECRETS, captured_logs, search
from leadpilot.tests.servers import raw_server

PLACE = "127.0.0.1:1/leadpilot"  # nothing listens there
WHOLE = {
    "PUBLIC_URL": "https://leadpilot.example",
    "SECRET_KEY": SECRETS["webhook secret"],
    "ENCRYPTION_KEYS": f"k1:{SECRETS['encryption key']}",
    "OPENAI_API_KEY": SECRETS["model key"],
    "EMAIL_URL": f"smtp://alex:{SECRETS['mail service password']}@mail.example:587",
    "OUTBOUND_PROXIES": f"http://alex:{SECRETS['proxy password']}@gate.example:8080",
    "DATABASE_URL": f"postgres://web:{SECRETS['database password']}@{PLACE}",
    "DATABASE_OWNER_URL": f"postgres://owner:{SECRETS['owner database password']}@{PLACE}",
    "DATABASE_SYSTEM_URL": f"postgres://system:{SECRETS['system database password']}@{PLACE}",
}
BROKEN = {
    "the database is away": {},
    "a database address is wrong": {
        "DATABASE_OWNER_URL": f"postgres://owner:{SECRETS['owner database password']}@@{PLACE}:x"
    },
    "a key is cut": {"ENCRYPTION_KEYS": f"k1:{SECRETS['encryption key'][:-6]}"},
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_start_that_fails_tells_no_secret(how: str) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--database", "owner", "--traceback"],
        cwd=conf.BASE_DIR,
        env={**kept, **WHOLE, **BROKEN[how]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert said.strip()
    assert search("the output", said, SECRETS) == []


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Who are you\r\n\r\n", b"", b"nonsense\r\n\r\n"])
def test_a_proxy_that_lets_nobody_out_keeps_its_password(answer: bytes, settings: Any) -> None:
    def refuse(client: Any) -> None:
        asked = client.recv(4096)
        client.sendall(answer + asked if answer else b"")

    with raw_server(refuse) as port, captured_logs() as log:
        settings.OUTBOUND_ALLOW = []
        settings.OUTBOUND_PROXIES = [f"http://alex:{SECRETS['proxy password']}@127.0.0.1:{port}"]
        with pytest.raises(FetchError) as caught:
            http.fetch("http://93.184.216.34/", timeout=5)
        with pytest.raises(FetchError) as again, closing(http.api_client("http://93.184.216.34")) as client:
            client.get("/")
    chain = f"{caught.value!r} {caught.value.__cause__!r} {again.value!r} {again.value.__cause__!r}"
    assert search("the error", chain, SECRETS) + search("the log", log.getvalue(), SECRETS) == []
