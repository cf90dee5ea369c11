"""The report that comes back when somebody presses "This is spam": the feedback loop's ARF mail (RFC 5965)."""

from datetime import datetime
from email import policy
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime

from leadpilot.sandbox.bounces import headers_of
from leadpilot.sandbox.replies import Original, reply_id
from leadpilot.sandbox.world import Person


def write_complaint(person: Person, original: Original, sender: str, now: datetime) -> bytes:
    """A multipart/report of type feedback-report about a mail from `sender` (envelope address)."""
    domain = person.email.partition("@")[2]
    report = MIMEMultipart("report", report_type="feedback-report")
    report["From"] = f"Feedback Loop <fbl@mx.{domain}>"
    report["To"] = sender
    report["Subject"] = f"FW: {original.subject}"
    report["Date"] = format_datetime(now)
    report["Message-ID"] = reply_id(person, original)
    report["Auto-Submitted"] = "auto-generated"
    report.attach(MIMEText(_explanation(domain, now), "plain", "us-ascii"))
    report.attach(_feedback(domain, person.email, sender, now))
    report.attach(MIMEText(headers_of(original.message), "rfc822-headers", "us-ascii"))
    return report.as_bytes(policy=policy.SMTP)


def _explanation(domain: str, now: datetime) -> str:
    return (
        f"This is an email abuse report for a message received by mx.{domain} on\n{format_datetime(now)}.\n"
        "The recipient marked it as spam. For more information about this format\n"
        "please see RFC 5965.\n"
    )


def _feedback(domain: str, recipient: str, sender: str, now: datetime) -> MIMEBase:
    """The machine's part: fields as in a mail header (RFC 5965, section 3)."""
    fields = Message()
    fields["Feedback-Type"] = "abuse"
    fields["User-Agent"] = "SandboxFBL/1.0"
    fields["Version"] = "1"
    fields["Original-Mail-From"] = f"<{sender}>"
    fields["Original-Rcpt-To"] = f"<{recipient}>"
    fields["Arrival-Date"] = format_datetime(now)
    fields["Reporting-MTA"] = f"dns; mx.{domain}"
    part = MIMEBase("message", "feedback-report")
    part.set_payload([fields])
    return part
