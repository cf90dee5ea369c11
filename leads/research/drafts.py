"""What facts are made of: a page as facts see it, and a fact before it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from leads.models import FactCategory
from leads.research import guards
from leads.research.people import Person


@dataclass(frozen=True)
class PageView:
    """What facts need of a page; can be built from a fresh page as well as from a stored one."""

    url: str
    kind: str
    text: str
    title: str = ""
    headline: str = ""
    language: str = ""
    published: date | None = None
    author: str = ""
    is_article: bool = False
    people: tuple[Person, ...] = ()
    news: tuple[tuple[str, date | None], ...] = ()

    @property
    def lines(self) -> list[str]:
        """The page's lines."""
        return self.text.split("\n")


@dataclass(frozen=True)
class FactDraft:
    """A fact that is not stored yet. `about_lead` separates the person's own facts from the company's."""

    category: FactCategory
    statement: str
    quote: str
    source_url: str
    confidence: float
    dated: date | None = None
    about_lead: bool = False


def is_sound(draft: FactDraft, page: PageView) -> bool:
    """The rule for every fact: its quote stands in the page, and neither quote nor statement is unsafe or an order."""
    line = next((line for line in page.lines if draft.quote.split("\n")[0] in line), draft.quote)
    return (
        bool(draft.quote)
        and draft.quote in page.text
        and guards.is_safe_statement(draft.statement)
        and not guards.is_order(line)
        and not guards.is_order(draft.quote)
        and not guards.is_boilerplate(draft.quote)
    )
