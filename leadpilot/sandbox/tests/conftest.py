"""A running sandbox for each test that asks for one, and a way to send mail to it."""

import smtplib
from collections.abc import Callable, Iterator
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import pytest

from leadpilot.lib import clock
from leadpilot.sandbox.servers import SandboxServers
from leadpilot.sandbox.testing import running_sandbox

SENDER = "alex@northbeam.example"


@pytest.fixture
def sandbox(tmp_path) -> Iterator[SandboxServers]:
    with running_sandbox(tmp_path / "sandbox") as servers:
        yield servers


def make_mail(to: str, **headers: str) -> EmailMessage:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = f"Alex Moor <{SENDER}>"
    mail["To"] = to
    mail["Subject"] = "A question about your autumn"
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = make_msgid(domain="northbeam.example")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("Hello,\n\nI read about your news.\n\nCould we talk?\n\nAlex\n")
    return mail


def submit(servers: SandboxServers, mail: EmailMessage, to: str, sender: str = SENDER) -> None:
    with smtplib.SMTP("127.0.0.1", servers.smtp_port, timeout=10) as client:
        client.login(servers.user, servers.password)
        client.sendmail(sender, [to], mail.as_bytes())


@pytest.fixture
def send(sandbox) -> Callable[..., EmailMessage]:
    """Send a mail to somebody of the sandbox; returns the mail."""

    def send_to(to: str, mail: EmailMessage | None = None, **headers: str) -> EmailMessage:
        mail = mail or make_mail(to, **headers)
        submit(sandbox, mail, to)
        return mail

    return send_to
