"""An organization whose rows hold the planted values, and mail servers that repeat to the world what they are told."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from campaigns.models import InboundMessage, Mailbox, Message, SequenceStep, Thread
from leadpilot.orgs.models import Organization
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.planted import PEOPLE, SECRETS
from leadpilot.tests.probing.world import Furnished, furnish
from leadpilot.tests.servers import raw_server
from leads.models import Fact, Lead, Note, Page, Suppression


def plant() -> Furnished:
    """Furnish an organization and write the planted values into it."""
    world = furnish("heron")
    with org_context(world.org.pk):
        _people(world)
        _mail(world)
        mailbox = Mailbox.objects.get(pk=world.ids["mailbox"])
        mailbox.smtp_username = mailbox.imap_username = "alex"
        mailbox.write_secret("smtp_password", SECRETS["smtp password"])
        mailbox.write_secret("imap_password", SECRETS["imap password"])
        mailbox.save()
        Organization.objects.filter(pk=world.org.pk).update(postal_address=PEOPLE["postal address"])
        SequenceStep.objects.for_org(world.org).update(instructions=PEOPLE["instructions"])
    world.owner.set_password(SECRETS["user password"])
    world.owner.save()
    return world


def _people(world: Furnished) -> None:
    one = {"org_id": world.org.pk}
    Lead.objects.filter(pk=world.ids["lead"], **one).update(
        name=PEOPLE["lead's name"],
        email=PEOPLE["lead's address"],
        phone=PEOPLE["lead's phone"],
        whatsapp=PEOPLE["lead's whatsapp"],
        location=PEOPLE["lead's place"],
        custom_fields={"own": PEOPLE["lead's own field"]},
        lawful_basis=PEOPLE["lead's basis"],
        source=PEOPLE["lead's source"],
    )
    Note.objects.filter(**one).update(text=PEOPLE["note"])
    Page.objects.filter(**one).update(text=PEOPLE["page"])
    Fact.objects.filter(**one).update(quote=PEOPLE["page"], statement=PEOPLE["fact"])
    Suppression.objects.filter(**one).update(value=PEOPLE["suppressed address"])


def _mail(world: Furnished) -> None:
    one = {"org_id": world.org.pk}
    InboundMessage.objects.filter(**one).update(
        subject=PEOPLE["subject received"],
        body_text=PEOPLE["mail received"],
        new_text=PEOPLE["mail received"],
        body_html=PEOPLE["mail received as html"],
        from_email=PEOPLE["lead's address"],
    )
    Thread.objects.filter(**one).update(subject=PEOPLE["subject received"])
    Message.objects.filter(**one).update(
        subject=PEOPLE["subject written"], body=PEOPLE["mail written"], to_email=PEOPLE["lead's address"]
    )


def _lines(client: socket.socket) -> Iterator[str]:
    with client.makefile("rb") as file:
        while line := file.readline(8192):
            yield line.decode("utf-8", "replace").strip()


def _telling_smtp(client: socket.socket) -> None:
    """Refuses every login and says which it was, as sent and decoded."""
    client.sendall(b"220 hello\r\n")
    for line in _lines(client):
        word = line[:4].upper()
        if word == "EHLO":
            client.sendall(b"250-hello\r\n250 AUTH PLAIN LOGIN\r\n")
        elif word == "AUTH":
            told = base64.b64decode(line.split()[-1]).replace(b"\0", b" ").decode()
            client.sendall(f"535 5.7.8 wrong: {line} which is {told}\r\n".encode())
        elif word == "QUIT":
            return
        else:
            client.sendall(f"502 what is {line}\r\n".encode())


def _telling_imap(client: socket.socket) -> None:
    """The same by IMAP."""
    client.sendall(b"* OK hello\r\n")
    for line in _lines(client):
        tag, _, command = line.partition(" ")
        if literal := re.search(r"\{(\d+)\}$", command):
            client.sendall(b"+ go on\r\n")
            command += client.recv(int(literal[1]) + 2).decode("utf-8", "replace")
        if command.upper().startswith("CAPABILITY"):
            client.sendall(f"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n".encode())
        elif command.upper().startswith("LOGOUT"):
            client.sendall(f"* BYE\r\n{tag} OK\r\n".encode())
            return
        else:
            client.sendall(f"{tag} NO [AUTHENTICATIONFAILED] wrong: {command}\r\n".encode())


@contextmanager
def telling_servers(settings: Any) -> Iterator[tuple[int, int]]:
    """Ports of an SMTP and an IMAP server that refuse and tell; the door is open for them."""
    with raw_server(_telling_smtp) as smtp_port, raw_server(_telling_imap) as imap_port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{smtp_port}", f"127.0.0.1:{imap_port}"]
        yield smtp_port, imap_port
