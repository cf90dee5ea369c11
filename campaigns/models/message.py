"""What leaves, and the ledger that proves it left at most once (DESIGN 5; seed 000, section 4.3)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class Channel(models.TextChoices):
    EMAIL = "email", "Email"
    WHATSAPP = "whatsapp", "WhatsApp"
    SMS = "sms", "SMS"
    LINKEDIN = "linkedin", "LinkedIn"
    MANUAL = "manual", "Manual"


class Thread(TenantModel):
    """One conversation with one lead from one mailbox."""

    lead = TenantForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="threads")
    mailbox = TenantForeignKey(
        "campaigns.Mailbox", null=True, on_delete=models.SET_NULL, related_name="threads"
    )
    campaign = TenantForeignKey(
        "campaigns.Campaign", null=True, blank=True, on_delete=models.SET_NULL, related_name="threads"
    )
    assigned_to = models.ForeignKey(
        "orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    subject = models.CharField(max_length=300, blank=True)
    is_open = models.BooleanField(default=True)
    unread = models.BooleanField(default=False)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    last_message_at = models.DateTimeField(default=clock.now)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        indexes = [models.Index(fields=["org", "-last_message_at"], name="thread_recent")]  # the inbox

    def __str__(self) -> str:
        return self.subject


class MessageStatus(models.TextChoices):
    HELD = "held", "Approved, waiting for its turn"
    QUEUED = "queued", "Queued"
    CLAIMED = "claimed", "Being prepared"
    SENDING = "sending", "Being sent"
    SENT = "sent", "Sent"
    DEFERRED = "deferred", "Deferred by the receiving server"
    REFUSED = "refused", "Refused"
    UNKNOWN = "unknown", "Unknown: the answer was lost"
    NOT_SENT = "not_sent", "Proved not sent"
    CANCELLED = "cancelled", "Cancelled"


# From → to. Made by conditional update only (campaigns.services.ledger). What waits becomes unknown only on the way to
# sent, when a restored backup takes it for waiting and the Sent folder shows that it left (outbox.recovering).
TRANSITIONS: dict[str, tuple[str, ...]] = {
    MessageStatus.HELD: (MessageStatus.QUEUED, MessageStatus.CANCELLED, MessageStatus.UNKNOWN),
    MessageStatus.QUEUED: (
        MessageStatus.CLAIMED,
        MessageStatus.HELD,
        MessageStatus.CANCELLED,
        MessageStatus.REFUSED,
        MessageStatus.UNKNOWN,
    ),
    MessageStatus.CLAIMED: (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.CANCELLED),
    MessageStatus.SENDING: (
        MessageStatus.SENT,
        MessageStatus.DEFERRED,
        MessageStatus.REFUSED,
        MessageStatus.UNKNOWN,
        MessageStatus.QUEUED,
    ),
    MessageStatus.DEFERRED: (
        MessageStatus.CLAIMED,
        MessageStatus.CANCELLED,
        MessageStatus.REFUSED,
        MessageStatus.UNKNOWN,
    ),
    MessageStatus.UNKNOWN: (MessageStatus.SENT, MessageStatus.NOT_SENT),
    MessageStatus.SENT: (),
    MessageStatus.REFUSED: (),
    MessageStatus.NOT_SENT: (),
    MessageStatus.CANCELLED: (),
}


class Message(TenantModel):
    """Seed 000's `email_campaigns`: the exact bytes that leave. `raw` is set once and never changes.

    `approved_hash` is the SHA-256 of what a person or the gate approved (`campaigns.rendering.content_hash`);
    `raw_hash` that of the bytes. `scheduled_for` is the earliest moment it may leave; `lease_until`, `lease_owner`
    `attempts` and `reserved` (the counters it took a place of: [scope, period]) belong to whoever works on it now.
    """

    lead = TenantForeignKey("leads.Lead", on_delete=models.CASCADE, related_name="messages")
    campaign = TenantForeignKey(
        "campaigns.Campaign", null=True, blank=True, on_delete=models.CASCADE, related_name="messages"
    )
    enrollment = TenantForeignKey(
        "campaigns.Enrollment", null=True, blank=True, on_delete=models.CASCADE, related_name="messages"
    )
    mailbox = TenantForeignKey("campaigns.Mailbox", on_delete=models.PROTECT, related_name="messages")
    thread = TenantForeignKey(
        Thread, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    in_reply_to = TenantForeignKey(
        "campaigns.InboundMessage", null=True, blank=True, on_delete=models.SET_NULL, related_name="answers"
    )
    approved_by = models.ForeignKey(
        "orgs.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.EMAIL)
    email_sequence = models.PositiveSmallIntegerField(null=True, blank=True)
    revision = models.PositiveSmallIntegerField(default=1)
    to_email = models.EmailField()
    from_email = models.EmailField()
    reply_to = models.EmailField(blank=True)
    subject = models.CharField(max_length=300)
    body = models.TextField()
    approved_hash = models.CharField(max_length=64)
    message_id = models.CharField(max_length=255)
    raw = models.BinaryField(null=True)
    raw_hash = models.CharField(max_length=64, blank=True)
    personalization_tokens = models.JSONField(default=dict, blank=True)
    ai_model_used = models.CharField(max_length=80, blank=True)
    ai_prompt_version = models.CharField(max_length=40, blank=True)
    status = models.CharField(max_length=10, choices=MessageStatus, default=MessageStatus.HELD)
    status_reason = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    reserved = models.JSONField(default=list, blank=True)
    scheduled_for = models.DateTimeField(null=True, blank=True)
    clearance = models.JSONField(default=dict, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    opened = models.BooleanField(default=False)
    opened_at = models.DateTimeField(null=True, blank=True)
    clicked = models.BooleanField(default=False)
    clicked_at = models.DateTimeField(null=True, blank=True)
    replied = models.BooleanField(default=False)
    replied_at = models.DateTimeField(null=True, blank=True)
    bounced = models.BooleanField(default=False)
    bounce_type = models.CharField(max_length=20, blank=True)
    unsubscribed = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["org", "lead", "campaign", "email_sequence", "revision"],
                condition=models.Q(email_sequence__isnull=False),
                name="message_once_per_lead",
            ),
            models.UniqueConstraint(
                "org",
                Lower("to_email"),
                "campaign",
                "email_sequence",
                condition=models.Q(email_sequence__isnull=False)
                & ~models.Q(status__in=["cancelled", "not_sent"]),
                name="message_once_per_address",
            ),
            models.UniqueConstraint(
                fields=["org", "in_reply_to"],
                condition=models.Q(in_reply_to__isnull=False)
                & ~models.Q(status__in=["cancelled", "not_sent"]),
                name="message_one_answer",
            ),
            models.UniqueConstraint(fields=["message_id"], name="message_id_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=MessageStatus.values), name="message_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(email_sequence__isnull=True) | models.Q(email_sequence__range=(1, 5)),
                name="message_sequence_range",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["held", "cancelled"]) | models.Q(raw__isnull=False),
                name="message_bytes_fixed",
            ),
            models.CheckConstraint(
                condition=~models.Q(status__in=["claimed", "sending"]) | models.Q(lease_until__isnull=False),
                name="message_work_has_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["org", "mailbox", "scheduled_for"],
                condition=models.Q(status__in=["queued", "deferred"]),
                name="message_due",
            ),  # the claim
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status__in=["claimed", "sending"]),
                name="message_leased",
            ),  # the reaper
            models.Index(fields=["org", "lead", "-created_at"], name="message_of_lead"),  # timeline, thread
            models.Index(fields=["org", "-sent_at"], name="message_sent_recent"),  # today, analytics
        ]

    def __str__(self) -> str:
        return f"{self.subject} → {self.to_email}"


class AttemptOutcome(models.TextChoices):
    INTENT = "intent", "Intent"
    SENT = "sent", "Accepted"
    DEFERRED = "deferred", "Deferred"
    REFUSED = "refused", "Refused"
    UNKNOWN = "unknown", "Unknown"
    NOT_SENT = "not_sent", "Not sent"


class SendAttempt(TenantModel):
    """One try. Written and committed with outcome `intent` before the socket opens; the outcome is filled in after."""

    message = TenantForeignKey(Message, on_delete=models.CASCADE, related_name="send_attempts")
    number = models.PositiveSmallIntegerField()
    lease_owner = models.CharField(max_length=80)
    outcome = models.CharField(max_length=8, choices=AttemptOutcome, default=AttemptOutcome.INTENT)
    phase = models.CharField(max_length=20, blank=True)
    smtp_code = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.TextField(blank=True)
    started_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "message", "number"], name="attempt_once"),
            models.CheckConstraint(
                condition=models.Q(outcome__in=AttemptOutcome.values), name="attempt_outcome_known"
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.message_id}: {self.outcome}"


class MessageEvent(TenantModel):
    """Append-only: what happened to a message. The dedupe key makes a repeated report one event."""

    class Kind(models.TextChoices):
        APPROVED = "approved", "Approved"
        QUEUED = "queued", "Queued"
        SENT = "sent", "Sent"
        DEFERRED = "deferred", "Deferred"
        REFUSED = "refused", "Refused"
        UNKNOWN = "unknown", "Unknown"
        CANCELLED = "cancelled", "Cancelled"
        SETTLED = "settled", "Settled"
        OPENED = "opened", "Opened"
        CLICKED = "clicked", "Clicked"
        REPLIED = "replied", "Replied"
        BOUNCED = "bounced", "Bounced"
        COMPLAINED = "complained", "Complained"
        UNSUBSCRIBED = "unsubscribed", "Unsubscribed"

    message = TenantForeignKey(Message, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind)
    dedupe_key = models.CharField(max_length=120)
    data = models.JSONField(default=dict, blank=True)
    happened_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["org", "message", "dedupe_key"], name="event_once")]
        indexes = [
            models.Index(fields=["org", "message", "happened_at"], name="event_of_message")
        ]  # timeline

    def __str__(self) -> str:
        return self.kind
