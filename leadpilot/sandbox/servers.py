"""Web server, mail server and people of the sandbox, started and stopped together."""

from collections.abc import Callable
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import lru_cache
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from leadpilot.lib import clock
from leadpilot.sandbox.mail_server import MailServer, Post
from leadpilot.sandbox.maildir import mails
from leadpilot.sandbox.people import People
from leadpilot.sandbox.web_server import WebServer
from leadpilot.sandbox.world import World, load_world

DEFAULT_DELAY = (4.0, 12.0)
T = TypeVar("T")


class PortTaken(OSError):
    """Somebody else listens there; the text names the port and what it is for."""


class SandboxServers:
    """The whole sandbox on loopback: `with SandboxServers(home=tmp, delay=(0, 0)) as sandbox:`."""

    def __init__(
        self,
        *,
        home: Path,
        web_port: int = 0,
        smtp_port: int = 0,
        user: str = "alex@northbeam.example",
        password: str = "sandbox-only",  # noqa: S107 - opens nothing but this
        delay: tuple[float, float] = DEFAULT_DELAY,
        seed: int = 1,
    ) -> None:
        """Port 0 takes a free one; `delay` in seconds. Binds both ports; raises PortTaken."""
        self.home = home
        self.user, self.password = user, password
        home.mkdir(parents=True, exist_ok=True)
        self.people = People(home, self.world, delay=delay, seed=seed)
        self.web = _bound("web", web_port, lambda: WebServer(web_port, self.world))
        try:
            post = Post(home, self.world, self.people.wake)
            self.smtp = _bound(
                "mail", smtp_port, lambda: MailServer(smtp_port, post, user=user, password=password)
            )
        except PortTaken:
            self.web.server_close()
            raise
        self.post = post
        self._web_thread = Thread(target=self.web.serve_forever, args=(0.1,), name="sandbox-web", daemon=True)

    @property
    def web_port(self) -> int:
        """Where the sites are."""
        return self.web.port

    @property
    def smtp_port(self) -> int:
        """Where mail is taken."""
        return self.smtp.port

    @staticmethod
    def world() -> World:
        """The world as of today."""
        return _world_on(clock.now().date())

    def start(self) -> None:
        """Begin to serve."""
        self._web_thread.start()
        self.smtp.start()
        self.people.start()

    def stop(self) -> None:
        """Close the ports and wait for the threads."""
        self.smtp.stop()
        self.people.stop()
        self.web.shutdown()
        self.web.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def outbound(self) -> dict[str, str]:
        """The value of settings.OUTBOUND_SANDBOX that leads here."""
        return {
            "suffix": ".example",
            "web": f"127.0.0.1:{self.web_port}",
            "smtp": f"127.0.0.1:{self.smtp_port}",
        }

    def accepted(self) -> list[dict[str, Any]]:
        """What the mail server took, oldest first."""
        return self.post.accepted.read()

    def violations(self) -> list[dict[str, Any]]:
        """Mails that should not have been sent."""
        return self.post.violations.read()

    def deeds(self) -> list[dict[str, Any]]:
        """What the people did with their mails, oldest first."""
        return self.people.journal.read()

    def inbox(self, address: str) -> list[EmailMessage]:
        """The mails in somebody's Maildir, oldest first."""
        found = []
        for path in mails(self.home, address):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found


def _bound(purpose: str, port: int, make: Callable[[], T]) -> T:
    try:
        return make()
    except OSError as error:
        raise PortTaken(
            f"Port {port} for the sandbox's {purpose} server: {error.strerror or error}."
        ) from error


@lru_cache(maxsize=2)
def _world_on(day: date) -> World:
    return load_world(day)
