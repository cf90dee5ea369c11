"""One module a kind of task. Importing this package fills the engine's registry."""

from agent.handlers import classify_reply, enrich_lead, generate_sequence, respond_to_reply

__all__ = ["classify_reply", "enrich_lead", "generate_sequence", "respond_to_reply"]
