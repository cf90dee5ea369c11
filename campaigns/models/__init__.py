from campaigns.models.campaign import Campaign, CampaignStatus, SequenceStep
from campaigns.models.enrollment import Enrollment, EnrollmentStatus, StopReason
from campaigns.models.inbound import Classification, InboundMessage
from campaigns.models.mailbox import InboundKind, Mailbox, MailboxStatus
from campaigns.models.message import (
    AttemptOutcome,
    Channel,
    Message,
    MessageEvent,
    MessageStatus,
    SendAttempt,
    Thread,
)
from campaigns.models.quota import Quota

__all__ = [
    "AttemptOutcome",
    "Campaign",
    "CampaignStatus",
    "Channel",
    "Classification",
    "Enrollment",
    "EnrollmentStatus",
    "InboundKind",
    "InboundMessage",
    "Mailbox",
    "MailboxStatus",
    "Message",
    "MessageEvent",
    "MessageStatus",
    "Quota",
    "SendAttempt",
    "SequenceStep",
    "StopReason",
    "Thread",
]
