from leads.models.company import Company
from leads.models.imports import ImportProblem, ImportStatus, LeadImport
from leads.models.lead import CLOSED_STATUSES, TRANSITIONS, Lead, LeadStatus, Note
from leads.models.research import ApiUsage, Fact, FactCategory, LeadResearch, Page, PageStatus, ResearchTool
from leads.models.suppression import Suppression, SuppressionReason

__all__ = [
    "CLOSED_STATUSES",
    "TRANSITIONS",
    "ApiUsage",
    "Company",
    "Fact",
    "FactCategory",
    "ImportProblem",
    "ImportStatus",
    "Lead",
    "LeadImport",
    "LeadResearch",
    "LeadStatus",
    "Note",
    "Page",
    "PageStatus",
    "ResearchTool",
    "Suppression",
    "SuppressionReason",
]
