"""The admin console: for support work, over all organizations. What left and what came back is read, not changed."""

from __future__ import annotations

from django.contrib import admin

from campaigns.models import (
    Campaign,
    Enrollment,
    InboundMessage,
    Mailbox,
    Message,
    MessageEvent,
    Quota,
    SendAttempt,
    SequenceStep,
    Thread,
)
from campaigns.models.campaign import CampaignMailbox
from leadpilot.lib.admin import RecordAdmin, RecordInline


class SequenceStepInline(RecordInline):
    model = SequenceStep


@admin.register(Campaign)
class CampaignAdmin(RecordAdmin):
    list_display = ("name", "org", "status", "kind", "daily_cap", "created_at")
    list_filter = ("status", "kind")
    search_fields = ("name", "org__name")
    list_select_related = ("org",)
    inlines = (SequenceStepInline,)


@admin.register(SequenceStep)
class SequenceStepAdmin(RecordAdmin):
    list_display = ("campaign", "number", "type", "tone", "delay_days")
    list_select_related = ("campaign",)


@admin.register(CampaignMailbox)
class CampaignMailboxAdmin(RecordAdmin):
    list_display = ("campaign", "mailbox")
    list_select_related = ("campaign", "mailbox")


@admin.register(Enrollment)
class EnrollmentAdmin(RecordAdmin):
    list_display = ("lead", "campaign", "status", "next_step", "next_step_at", "stop_reason")
    list_filter = ("status", "stop_reason")
    search_fields = ("lead__email", "campaign__name")
    list_select_related = ("lead", "campaign")


@admin.register(Mailbox)
class MailboxAdmin(RecordAdmin):
    list_display = ("email", "org", "status", "inbound_kind", "daily_cap", "last_sent_at", "last_polled_at")
    list_filter = ("status", "inbound_kind")
    search_fields = ("email", "org__name")
    list_select_related = ("org",)
    exclude = ("smtp_password", "imap_password")


class SendAttemptInline(RecordInline):
    model = SendAttempt


class MessageEventInline(RecordInline):
    model = MessageEvent


@admin.register(Message)
class MessageAdmin(RecordAdmin):
    list_display = ("subject", "to_email", "org", "status", "attempts", "scheduled_for", "sent_at")
    list_filter = ("status", "channel", "bounced", "replied")
    search_fields = ("to_email", "subject", "message_id")
    list_select_related = ("org",)
    exclude = ("raw",)
    inlines = (SendAttemptInline, MessageEventInline)


@admin.register(SendAttempt)
class SendAttemptAdmin(RecordAdmin):
    list_display = ("message", "number", "outcome", "phase", "smtp_code", "started_at")
    list_filter = ("outcome", "phase")
    search_fields = ("message__to_email", "message__message_id", "=message__id")
    list_select_related = ("message",)


@admin.register(MessageEvent)
class MessageEventAdmin(RecordAdmin):
    list_display = ("message", "kind", "happened_at")
    list_filter = ("kind",)
    search_fields = ("message__to_email", "message__message_id", "=message__id")
    list_select_related = ("message",)


@admin.register(Thread)
class ThreadAdmin(RecordAdmin):
    list_display = ("subject", "lead", "mailbox", "is_open", "unread", "last_message_at")
    list_filter = ("is_open", "unread")
    search_fields = ("subject", "lead__email")
    list_select_related = ("lead", "mailbox")


@admin.register(InboundMessage)
class InboundMessageAdmin(RecordAdmin):
    list_display = ("from_email", "subject", "org", "classification", "is_automatic", "received_at")
    list_filter = ("classification", "is_automatic")
    search_fields = ("from_email", "subject")
    list_select_related = ("org",)


@admin.register(Quota)
class QuotaAdmin(RecordAdmin):
    list_display = ("org", "scope", "period", "used")
    search_fields = ("scope", "period", "org__slug")
    list_select_related = ("org",)
