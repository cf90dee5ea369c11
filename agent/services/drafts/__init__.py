"""Drafts: made by the writer, seen and decided by people or by the gate, turned into messages once."""

from agent.services.drafts.approving import approve_draft, approve_many, undo_approval
from agent.services.drafts.editing import edit_draft, follow_subject
from agent.services.drafts.looking import LIVE, OPEN, is_answered, mailbox_of, moved_on, sequence_of
from agent.services.drafts.making import create_answer, create_sequence, submit_for_approval, text_of
from agent.services.drafts.withdrawing import reject_draft, withdraw_answer, withdraw_drafts

__all__ = [
    "LIVE",
    "OPEN",
    "approve_draft",
    "approve_many",
    "create_answer",
    "create_sequence",
    "edit_draft",
    "follow_subject",
    "is_answered",
    "mailbox_of",
    "moved_on",
    "reject_draft",
    "sequence_of",
    "submit_for_approval",
    "text_of",
    "undo_approval",
    "withdraw_answer",
    "withdraw_drafts",
]
