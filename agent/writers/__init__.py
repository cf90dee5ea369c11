"""Writers of mails: the model's and the offline one, behind one function."""

from agent.writers.types import Brief, FactBrief, Sentence, StepBrief, Written, WrittenMail, body_of

__all__ = ["Brief", "FactBrief", "Sentence", "StepBrief", "Written", "WrittenMail", "body_of"]
