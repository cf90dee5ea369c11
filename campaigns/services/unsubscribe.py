"""Opting out: the signed link, and what following it does (SPEC TR-3, RFC 8058)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import transaction

from campaigns.models import Message, MessageEvent, StopReason
from campaigns.services import enrollment
from campaigns.services.transitions import lock_open, record_event
from leads.models import Lead, SuppressionReason
from leads.services.suppression import suppress

_SIGNER = signing.Signer(salt="campaigns.unsubscribe", sep=".")
_NONE = UUID(int=0)


class BadToken(ValueError):
    """A link that LeadPilot did not make."""


@dataclass(frozen=True)
class Link:
    """Whom a link is about: organization, lead, and the mail it stood in (None in a preview)."""

    org_id: UUID
    lead_id: UUID
    message_id: UUID | None


def make_token(*, org_id: UUID, lead_id: UUID, message_id: UUID | None = None) -> str:
    """A token for the link in a mail. It does not run out: the law gives opt-out links no end."""
    ids = b"".join(part.bytes for part in (org_id, lead_id, message_id or _NONE))
    return _SIGNER.sign(base64.urlsafe_b64encode(ids).decode())


def read_token(token: str) -> Link:
    """The ids of a token; raises BadToken for anything forged or damaged."""
    try:
        ids = base64.urlsafe_b64decode(_SIGNER.unsign(token))
        org_id, lead_id, message_id = (UUID(bytes=ids[i : i + 16]) for i in (0, 16, 32))
    except (signing.BadSignature, binascii.Error, ValueError, UnicodeError) as error:
        raise BadToken("not a link of ours") from error
    return Link(org_id, lead_id, None if message_id == _NONE else message_id)


def unsubscribe_url(*, org_id: UUID, lead_id: UUID, message_id: UUID | None = None) -> str:
    """The whole address of the opt-out page, for the mail's foot and its List-Unsubscribe header."""
    return f"{settings.PUBLIC_URL}/u/{make_token(org_id=org_id, lead_id=lead_id, message_id=message_id)}/"


@transaction.atomic
def unsubscribe(*, lead: Lead, origin: str, message: Message | None = None) -> None:
    """Suppress the lead's address, stop all that is planned for it, and close the lead. Repeating changes nothing.

    From the commit on nothing goes out to it: the address is looked up again just before each mail.
    """
    lock_open(Message.objects.for_org(lead.org_id).filter(lead=lead))
    if message is not None:
        Message.objects.for_org(lead.org_id).filter(pk=message.pk).update(unsubscribed=True)
        record_event(message=message, kind=MessageEvent.Kind.UNSUBSCRIBED, origin=origin)
    for address in {lead.email.lower(), message.to_email.lower() if message else lead.email.lower()}:
        suppress(org=lead.org, value=address, reason=SuppressionReason.UNSUBSCRIBED, origin=origin)
    enrollment.stop_lead(
        lead=lead, reason=StopReason.UNSUBSCRIBED, note=f"{lead.name} unsubscribed ({origin})."
    )
    lead.refresh_from_db(fields=["status"])
