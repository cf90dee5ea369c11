"""A model's server on this machine: it speaks OpenAI's Chat Completions and says what a test tells it to say.

A test scripts it with replies, one a request; the last one is said for ever. Every request is kept in `log`.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}
ORDER = re.compile(r"OBEY (\{.*?\}) END", re.DOTALL)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Asked:
    """One request as the server got it."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def system(self) -> str:
        """Our own instructions."""
        return "\n".join(m["content"] for m in self.body["messages"] if m["role"] in ("system", "developer"))

    @property
    def material(self) -> Any:
        """The data of the prompt, out of its JSON."""
        return json.loads(next(m["content"] for m in self.body["messages"] if m["role"] == "user"))

    @property
    def complaints(self) -> list[str]:
        """What was said about earlier answers."""
        later = [m for m in self.body["messages"] if m["role"] in ("tool", "user")][1:]
        return [m["content"] if isinstance(m["content"], str) else json.dumps(m["content"]) for m in later]

    @property
    def tools(self) -> list[str]:
        """Names of the tools that are offered."""
        return [tool["function"]["name"] for tool in self.body.get("tools", [])]


@dataclass(frozen=True)
class Said:
    """One answer: a status, headers and bytes, after a pause of `wait` seconds."""

    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    cut: bool = False  # promise more bytes than are sent


Reply = Callable[[Asked], Said]


def value(answer: Any) -> Reply:
    """A fit answer: a dict, or a function of the request that makes one."""

    def reply(asked: Asked) -> Said:
        made = answer(asked) if callable(answer) else answer
        return _completion(asked, json.dumps(made, default=str))

    return reply


def raw(text: str) -> Reply:
    """An answer of the right shape around any text, broken JSON for instance."""
    return lambda asked: _completion(asked, text)


def prose(text: str) -> Reply:
    """Plain words where a value was asked for."""
    return lambda asked: _message(asked, {"role": "assistant", "content": text}, "stop")


def refusal(text: str = "I cannot help with that.") -> Reply:
    """The refusal of the protocol."""
    return lambda asked: _message(asked, {"role": "assistant", "content": None, "refusal": text}, "stop")


def status(code: int, *, retry_after: str = "") -> Reply:
    """An error of the server."""
    headers = {"retry-after": retry_after} if retry_after else {}
    error = json.dumps({"error": {"message": f"error {code}", "type": "server_error"}}).encode()
    return lambda asked: Said(error, code, headers)


def slow(seconds: float, then: Reply) -> Reply:
    """An answer that comes late."""

    def reply(asked: Asked) -> Said:
        said = then(asked)
        return Said(said.content, said.status, said.headers, wait=seconds)

    return reply


def nothing() -> Reply:
    """200 and not a byte."""
    return lambda asked: Said(b"")


def cut_off(then: Reply) -> Reply:
    """A connection that ends in the middle of the answer."""
    return lambda asked: Said(then(asked).content[:60], cut=True)


def obedient(honest: Callable[[Asked], dict[str, Any]]) -> Reply:
    """A model that does whatever the material says: `OBEY {…} END` in it overrides the honest answer."""

    def answer(asked: Asked) -> dict[str, Any]:
        made = honest(asked)
        for order in orders(asked.material):
            made = {**made, **order}
        return made

    return value(answer)


def orders(material: Any) -> list[dict[str, Any]]:
    """The orders hidden in any text of the material."""
    if isinstance(material, dict):
        return [order for part in material.values() for order in orders(part)]
    if isinstance(material, list):
        return [order for part in material for order in orders(part)]
    return [json.loads(found) for found in ORDER.findall(material)] if isinstance(material, str) else []


def _completion(asked: Asked, text: str) -> Said:
    """`text` as the output tool's arguments, or as content where a JSON schema was asked for."""
    if not asked.tools:
        return _message(asked, {"role": "assistant", "content": text}, "stop")
    call = {
        "id": f"call_{next(_numbers)}",
        "type": "function",
        "function": {"name": asked.tools[0], "arguments": text},
    }
    return _message(asked, {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")


def _message(asked: Asked, message: dict[str, Any], finish: str) -> Said:
    body = {
        "id": f"chatcmpl-{next(_numbers)}",
        "object": "chat.completion",
        "created": 1,
        "model": asked.body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": USAGE,
    }
    return Said(json.dumps(body).encode())


class ModelServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1; `script(...)` sets what it says, `log` keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.log: list[Asked] = []
        self.closing = threading.Event()
        self._replies: list[Reply] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """What `OPENAI_BASE_URL` has to be."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def script(self, *replies: Reply) -> None:
        """Say these, one a request; the last one again and again."""
        with self._lock:
            self._replies = list(replies)
            self.log.clear()

    def next_reply(self, asked: Asked) -> Reply:
        """Keep the request and take the next reply."""
        with self._lock:
            self.log.append(asked)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/chat/completions":
            self._send(Said(b'{"error": {"message": "no such path"}}', 404))
            return
        asked = Asked(json.loads(content), {key.lower(): text for key, text in self.headers.items()})
        said = self.server.next_reply(asked)(asked)
        if said.wait:
            self.server.closing.wait(said.wait)
        self._send(said)

    def _send(self, said: Said) -> None:
        self.send_response(said.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said.content) + (1000 if said.cut else 0)))
        for key, text in said.headers.items():
            self.send_header(key, text)
        self.end_headers()
        self.wfile.write(said.content)
        if said.cut:
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Nothing on the console."""


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A running server; gone at the end."""
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
