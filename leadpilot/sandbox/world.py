"""Who lives in the sandbox: companies with their sites, people with their ways of answering. All invented."""

import re
import tomllib
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

DATA = Path(__file__).parent / "data"
REFERENCE_DAY = date(2026, 11, 21)  # the day the data was written for; see World.shift
HOME_DOMAIN = "northbeam.example"  # the demo organization's own
ATTACKER_DOMAIN = "attacker.example"  # named by a text hidden in one site; nobody should ever write there

Layout = Literal["semantic", "press", "classic", "cards"]
Quirk = Literal["", "script", "slow", "mostly_missing", "redirect_loop", "parked", "injection"]
Fate = Literal["answers", "bounces", "complains", "unknown"]  # complains: marks the mail as spam
Kind = Literal[
    "interested",
    "question",
    "objection",
    "not_now",
    "not_interested",
    "out_of_office",
    "auto_reply",
    "referral",
    "unsubscribe",
    "angry",
    "one_click",
]
Style = Literal["plain", "outlook", "html", "inline", "mobile", "auto", "exchange_auto", "ticket", "none"]

_MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "de": [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
}
_DATE_TOKEN = re.compile(r"\{(\d{4}-\d{2}-\d{2})\}")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(_Record):
    """What a person sends back for one mail received."""

    kind: Kind
    style: Style
    text: str
    subject: str = ""


class Person(_Record):
    """Somebody with a mailbox in the sandbox."""

    email: str
    first_name: str
    last_name: str
    title: str
    company: str
    location: str
    timezone: str
    linkedin_url: str
    bio: str
    signature: str
    language: Literal["en", "de"] = "en"
    lead: bool = True
    fate: Fate = "answers"
    ignores: int = 0
    returns_in_days: int = 7
    answers: tuple[Answer, ...] = ()

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def persona(self) -> str:
        """One word for what happens to a mail to this person, for lists and logs."""
        if self.fate != "answers":
            return self.fate
        return self.answers[0].kind if self.answers else "silent"


class Post(_Record):
    """A dated news item."""

    slug: str
    date: date
    title: str
    author: str
    summary: str
    body: str


class Member(_Record):
    """Somebody on a team page who has no mailbox here."""

    name: str
    title: str
    bio: str


class Paths(_Record):
    about: str
    team: str
    news: str
    careers: str
    contact: str


class Text(_Record):
    home: str
    about: str = ""
    careers: str = ""
    contact: str = ""


class Company(_Record):
    """A company and all that its site says."""

    name: str
    domain: str
    layout: Layout
    locale: Literal["en-GB", "en-US", "de-DE"]
    industry: str
    size: str
    city: str
    country: str
    street: str
    founded: int
    phone: str
    tagline: str
    accent: str
    paths: Paths
    text: Text
    quirk: Quirk = ""
    quirk_path: str = ""
    technologies: tuple[str, ...] = ()
    social: dict[str, str] = {}
    news: tuple[Post, ...] = ()
    team: tuple[Member, ...] = ()

    @property
    def language(self) -> str:
        """Two letters, for `lang` and date names."""
        return self.locale[:2]

    @property
    def website_url(self) -> str:
        """The address to store with a lead; the sandbox speaks plain http."""
        return f"http://{self.domain}/"


class World(_Record):
    """All companies and people, seen from one day.

    Dates move forward by whole weeks, so that news stay recent and weekdays true however old the files are.
    """

    companies: tuple[Company, ...]
    people: tuple[Person, ...]
    today: date

    @cached_property
    def _by_domain(self) -> dict[str, Company]:
        return {company.domain: company for company in self.companies}

    @cached_property
    def _by_email(self) -> dict[str, Person]:
        return {person.email: person for person in self.people}

    @property
    def shift(self) -> timedelta:
        """How far the data's dates are moved: whole weeks, never back."""
        return timedelta(weeks=max(0, (self.today - REFERENCE_DAY).days // 7))

    def company(self, domain: str) -> Company | None:
        """The company of a domain, whatever the case."""
        return self._by_domain.get(domain.lower())

    def person(self, email: str) -> Person | None:
        """The person of an address, whatever the case."""
        return self._by_email.get(email.lower())

    def people_of(self, domain: str) -> list[Person]:
        """Those who work at a company."""
        return [person for person in self.people if person.company == domain]

    def knows_domain(self, domain: str) -> bool:
        """Whether some company or person lives there, so that an unknown name there can be refused."""
        return domain.lower() in self._by_domain or any(
            p.email.endswith("@" + domain.lower()) for p in self.people
        )

    def leads(self) -> list[Person]:
        """The people of the demo's list."""
        return [person for person in self.people if person.lead]

    def moved(self, day: date) -> date:
        """A day of the data files as it is today."""
        return day + self.shift

    def dated(self, text: str, locale: str) -> str:
        """Replace `{2026-11-12}` by the moved day in words of the locale."""
        return _DATE_TOKEN.sub(lambda m: in_words(self.moved(date.fromisoformat(m[1])), locale), text)


def in_words(day: date, locale: str) -> str:
    """A day as people of that place write it: 12 November 2026, November 12, 2026, 12. November 2026."""
    month = _MONTHS[locale[:2]][day.month - 1]
    if locale == "en-US":
        return f"{month} {day.day}, {day.year}"
    return f"{day.day}{'.' if locale == 'de-DE' else ''} {month} {day.year}"


def load_world(today: date) -> World:
    """Read the data files. Raises pydantic's ValidationError when a file says something unknown."""
    companies = [
        Company.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        for path in sorted((DATA / "companies").glob("*.toml"))
    ]
    people = tomllib.loads((DATA / "people.toml").read_text(encoding="utf-8"))["person"]
    return World(
        companies=tuple(companies), people=tuple(Person.model_validate(row) for row in people), today=today
    )
