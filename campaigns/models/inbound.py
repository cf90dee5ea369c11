"""Mail that came back (seed 002's `inbox_messages`)."""

from __future__ import annotations

from django.db import models

from leadpilot.lib import clock
from leadpilot.orgs.tenancy import TenantForeignKey, TenantModel


class Classification(models.TextChoices):
    INTERESTED = "interested", "Interested"
    NOT_INTERESTED = "not_interested", "Not interested"
    QUESTION = "question", "Question"
    OBJECTION = "objection", "Objection"
    OUT_OF_OFFICE = "out_of_office", "Out of office"
    UNSUBSCRIBE = "unsubscribe", "Unsubscribe"
    WRONG_PERSON = "wrong_person", "Wrong person"
    REFERRAL = "referral", "Referral"
    BOUNCE = "bounce", "Bounce"
    AUTO_REPLY = "auto_reply", "Automatic reply"
    OTHER = "other", "Other"


class Sentiment(models.TextChoices):
    POSITIVE = "positive", "Positive"
    NEUTRAL = "neutral", "Neutral"
    NEGATIVE = "negative", "Negative"
    ANGRY = "angry", "Angry"


class InboundMessage(TenantModel):
    """One mail that was read, once. `new_text` is what its author wrote, without the quoted mail under it.
    `source_key` is where it was found, `digest` the SHA-256 of its bytes: found again elsewhere, it is the same mail.
    """

    mailbox = TenantForeignKey("campaigns.Mailbox", on_delete=models.CASCADE, related_name="inbound")
    thread = TenantForeignKey("campaigns.Thread", null=True, on_delete=models.CASCADE, related_name="inbound")
    lead = TenantForeignKey("leads.Lead", null=True, on_delete=models.CASCADE, related_name="inbound")
    message = TenantForeignKey(
        "campaigns.Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="inbound"
    )
    source_key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, blank=True)
    header_message_id = models.CharField(max_length=998, blank=True)
    from_email = models.EmailField(max_length=320)
    from_name = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=998, blank=True)
    body_text = models.TextField(blank=True)
    body_html = models.TextField(blank=True)
    new_text = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    is_automatic = models.BooleanField(default=False)
    classification = models.CharField(max_length=15, choices=Classification, blank=True)
    sentiment = models.CharField(max_length=8, choices=Sentiment, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    classification_reason = models.TextField(blank=True)
    classified_by = models.CharField(max_length=40, blank=True)
    extracted = models.JSONField(default=dict, blank=True)
    classified_at = models.DateTimeField(null=True, blank=True)
    handled_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(default=clock.now)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["org", "mailbox", "source_key"], name="inbound_once"),
            models.UniqueConstraint(
                fields=["org", "mailbox", "digest"],
                condition=~models.Q(digest=""),
                name="inbound_same_bytes_once",
            ),
            models.CheckConstraint(
                condition=models.Q(classification="") | models.Q(classification__in=Classification.values),
                name="inbound_class_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["org", "created_at"], condition=models.Q(classification=""), name="inbound_unread"
            ),  # what the Reader has still to read
            models.Index(fields=["org", "lead", "-received_at"], name="inbound_of_lead"),  # a reply since?
        ]

    def __str__(self) -> str:
        return f"{self.from_email}: {self.subject}"
