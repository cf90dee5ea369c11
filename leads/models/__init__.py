from leads.models.company import Company
from leads.models.imports import LeadImport
from leads.models.lead import Lead, LeadStatus, Note
from leads.models.research import ApiUsage, Fact, FactCategory, LeadResearch, Page, PageStatus, ResearchTool
from leads.models.suppression import Suppression, SuppressionReason

__all__ = [
    "ApiUsage",
    "Company",
    "Fact",
    "FactCategory",
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
