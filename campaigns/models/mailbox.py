"""A mailbox of the user's own: how to send from it, and how to read its answers."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.lib.secrets import HasSecrets, SecretField
from leadpilot.orgs.tenancy import TenantModel


class MailboxStatus(models.TextChoices):
    CONNECTED = "connected", "Connected"
    PAUSED = "paused", "Paused"
    ERROR = "error", "Needs attention"


class InboundKind(models.TextChoices):
    IMAP = "imap", "IMAP"
    MAILDIR = "maildir", "Sandbox Maildir"
    NONE = "none", "Not read"


class Security(models.TextChoices):
    TLS = "tls", "TLS"
    STARTTLS = "starttls", "STARTTLS"
    NONE = "none", "None"


class Mailbox(HasSecrets, TenantModel):
    """`min_spacing_seconds` is the least time between two mails; `ramp_start` mails on the first day, `ramp_step`
    more each day after it until `daily_cap`, when `ramp_started_at` is set."""

    email = models.EmailField()
    from_name = models.CharField(max_length=100)
    signature = models.TextField(blank=True)
    smtp_host = models.CharField(max_length=253)
    smtp_port = models.PositiveIntegerField(default=587)
    smtp_security = models.CharField(max_length=8, choices=Security, default=Security.STARTTLS)
    smtp_username = models.CharField(max_length=254, blank=True)
    smtp_password = SecretField(blank=True)
    inbound_kind = models.CharField(max_length=7, choices=InboundKind, default=InboundKind.IMAP)
    imap_host = models.CharField(max_length=253, blank=True)
    imap_port = models.PositiveIntegerField(default=993)
    imap_security = models.CharField(max_length=8, choices=Security, default=Security.TLS)
    imap_username = models.CharField(max_length=254, blank=True)
    imap_password = SecretField(blank=True)
    imap_uidvalidity = models.BigIntegerField(null=True, blank=True)
    imap_last_uid = models.BigIntegerField(default=0)
    daily_cap = models.PositiveIntegerField(default=50)
    min_spacing_seconds = models.PositiveIntegerField(default=60)
    ramp_start = models.PositiveIntegerField(default=10)
    ramp_step = models.PositiveIntegerField(default=5)
    ramp_started_at = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=9, choices=MailboxStatus, default=MailboxStatus.CONNECTED)
    status_reason = models.TextField(blank=True)
    send_failures = models.PositiveSmallIntegerField(default=0)
    poll_failures = models.PositiveSmallIntegerField(default=0)
    poll_problem = models.TextField(blank=True)
    next_send_at = models.DateTimeField(null=True, blank=True)
    last_sent_at = models.DateTimeField(null=True, blank=True)
    last_checked_at = models.DateTimeField(null=True, blank=True)
    last_polled_at = models.DateTimeField(null=True, blank=True)
    poll_lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "mailboxes"
        constraints = [
            models.UniqueConstraint(fields=["org", "email"], name="mailbox_email_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=MailboxStatus.values), name="mailbox_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(inbound_kind__in=InboundKind.values), name="mailbox_inbound_known"
            ),
        ]

    def __str__(self) -> str:
        return self.email
