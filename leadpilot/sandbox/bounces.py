"""The report that comes back for a mailbox that does not exist any more: RFC 3464, as Postfix words it."""

from datetime import datetime
from email import policy
from email.message import Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime

from leadpilot.sandbox.replies import Original, reply_id
from leadpilot.sandbox.world import Person


def write_bounce(person: Person, original: Original, sender: str, now: datetime) -> bytes:
    """A multipart/report for a mail from `sender` (envelope address) that could not be put into a mailbox."""
    domain = person.email.partition("@")[2]
    diagnostic = f"550 5.1.1 <{person.email}>: user does not exist"
    report = MIMEMultipart("report", report_type="delivery-status")
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{domain}>"
    report["To"] = sender
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Date"] = format_datetime(now)
    report["Message-ID"] = reply_id(person, original)
    report["Auto-Submitted"] = "auto-replied"
    report.attach(MIMEText(_explanation(domain, person.email, diagnostic), "plain", "us-ascii"))
    report.attach(_status(domain, person.email, diagnostic, now))
    report.attach(MIMEText(headers_of(original.message), "rfc822-headers", "us-ascii"))
    return report.as_bytes(policy=policy.SMTP)


def _explanation(domain: str, address: str, diagnostic: str) -> str:
    return (
        f"This is the mail system at host mx.{domain}.\n\n"
        "I'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\n"
        f"<{address}>: {diagnostic}\n"
    )


def _status(domain: str, address: str, diagnostic: str, now: datetime) -> MIMEMessage:
    """The machine's part: one block for the message, one for the recipient."""
    about_message = Message()
    about_message["Reporting-MTA"] = f"dns; mx.{domain}"
    about_message["Arrival-Date"] = format_datetime(now)
    about_recipient = Message()
    about_recipient["Final-Recipient"] = f"rfc822; {address}"
    about_recipient["Original-Recipient"] = f"rfc822;{address}"
    about_recipient["Action"] = "failed"
    about_recipient["Status"] = "5.1.1"
    about_recipient["Diagnostic-Code"] = f"smtp; {diagnostic}"
    status = MIMEMessage(about_message, "delivery-status")
    status.set_payload([about_message, about_recipient])
    return status


def headers_of(message: Message) -> str:
    """The headers as they were on the wire, so that the part needs no encoding."""
    lines = "".join(f"{name}: {' '.join(str(value).split())}\n" for name, value in message.raw_items())
    return lines.encode("ascii", "replace").decode()
