"""From the rows of a file to leads, a batch at a time.

A row is taken whole or not at all (seed 000, section 8.2: a lead whose fields do not pass is not stored). Rows that do
not pass are rejected; rows that are in the file or in the organization already, and rows whose address is suppressed,
are skipped (or, for leads already here, update them). Both are listed with row, field, value and reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from leadpilot.lib.ids import new_id
from leadpilot.orgs.models import Organization
from leads.domains import company_domain
from leads.importing.columns import CUSTOM
from leads.importing.problems import Problem
from leads.importing.records import Record
from leads.importing.seen import Seen
from leads.importing.source import Source
from leads.models import ImportProblem, Suppression
from leads.qualification import JUDGED_FIELDS
from leads.services import import_sql
from leads.services.reconsidering import reconsider
from leads.services.suppression import suppressed_among
from leads.validation import FIELDS, clean, tidy

IMPORTED_AND_JUDGED = [name for name in JUDGED_FIELDS if name != "email"]  # an import changes no address
BATCH_ROWS = 5000
BATCH_CELLS = 100_000  # wide files come in smaller batches
Outcome = ImportProblem.Outcome


@dataclass(slots=True)
class Candidate:
    """A row that passed: the lead it describes."""

    row: int
    fields: dict[str, Any]
    domain: str = ""  # of its company
    lead_id: UUID = field(default_factory=new_id)  # if it is new

    @property
    def person(self) -> tuple[str, str] | None:
        """Name and company, the second key of the search for duplicates."""
        company = self.fields.get("company", "")
        return (self.fields["name"].lower(), company.lower()) if company else None


@dataclass
class Tally:
    """What became of the rows so far."""

    processed: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    rejected: int = 0

    def add(self, other: Tally) -> None:
        """Count another batch in."""
        for name in ("processed", "created", "updated", "skipped", "rejected"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass
class BatchResult(Tally):
    """One batch's counts and the reasons for what was not taken."""

    problems: list[tuple[str, Problem]] = field(default_factory=list)

    def skip(self, row: int, field: str, value: str, message: str) -> None:
        """Count a row as skipped, for this reason."""
        self.skipped += 1
        self.problems.append((Outcome.SKIPPED, Problem(row, field, value, message)))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch of which all is known that the file itself tells, and put into words for the database."""

    result: BatchResult
    candidates: list[Candidate]
    text: str  # the leads they would be


class RowReader:
    """Turns cells into a lead's fields, by the mapping of titles."""

    def __init__(self, source: Source, mapping: dict[str, str]) -> None:
        self._titles = source.titles
        pairs = [(position, mapping.get(title, "")) for position, title in enumerate(source.titles)]
        self._plain = [(position, name) for position, name in pairs if name in FIELDS]
        self._custom = [(position, source.titles[position]) for position, name in pairs if name == CUSTOM]
        self._first = [position for position, name in pairs if name == "first_name"]
        self._last = [position for position, name in pairs if name == "last_name"]

    def read(self, record: Record) -> tuple[Candidate | None, list[Problem]]:
        """The candidate in this row, or what is wrong with it."""
        if record.problem is not None:
            return None, [record.problem]
        cells = record.cells
        if len(cells) > len(self._titles) and (extra := [c for c in cells[len(self._titles) :] if c.strip()]):
            message = (
                f"This row has {len(cells)} values for {len(self._titles)} columns: "
                "put quotation marks around values that contain the separator."
            )
            return None, [Problem(record.number, "row", extra[0], message)]
        cleaned, faults = clean(self._values(cells))
        if faults:
            return None, [Problem(record.number, fault.field, fault.value, fault.message) for fault in faults]
        domain = company_domain(cleaned["email"], cleaned.get("website_url", ""))
        return Candidate(record.number, cleaned, domain), []

    def _values(self, cells: Sequence[str]) -> dict[str, Any]:
        width = len(cells)
        values: dict[str, Any] = {}
        for position, name in self._plain:
            if position < width and (cell := cells[position]) and not values.get(name):
                values[name] = cell
        if not values.get("name") and (self._first or self._last):
            parts = [cells[p] for p in (*self._first, *self._last) if p < width]
            values["name"] = " ".join(filter(None, map(tidy, parts)))
        if custom := {t: value for p, t in self._custom if p < width and (value := tidy(cells[p]))}:
            values["custom_fields"] = custom
        return values


class Batcher:
    """Decides on batches of rows, in order; remembers what it has seen in the file. Runs inside `org_context`."""

    def __init__(
        self,
        reader: RowReader,
        *,
        org_id: UUID,
        update_existing: bool,
        import_id: UUID | None = None,
        origin: str = "",
        dry_run: bool = False,
    ) -> None:
        self._reader = reader
        self._org_id = org_id
        self._update = update_existing
        self._import_id = import_id
        self._origin = origin[:120]
        self._dry_run = dry_run
        self._emails, self._people = Seen(), Seen()

    def remember(self, records: Iterable[Record]) -> None:
        """Pass over rows that an earlier attempt dealt with."""
        for record in records:
            candidate, _ = self._reader.read(record)
            if candidate is not None:
                self._repeats(candidate)

    def take(self, records: Sequence[Record]) -> BatchResult:
        """Decide on these rows and, unless this is a dry run, write them."""
        return self.write(self.prepare(records))

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """All that can be decided without the database; batches have to come in the order of the file."""
        result = BatchResult(processed=len(records))
        candidates = list(self._passing(records, result))
        text = "" if self._dry_run else import_sql.as_text(candidates, self._origin)
        return Prepared(result, candidates, text)

    def write(self, prepared: Prepared) -> BatchResult:
        """Decide on what passed and, unless this is a dry run, write it."""
        result = prepared.result
        candidates = self._without_suppressed(prepared.candidates, result)
        found = import_sql.existing(self._org_id, candidates, self._import_id)
        new = [c for c in candidates if c.row not in found]
        old = self._old(candidates, found, result)
        if self._dry_run:
            result.created, result.updated = len(new), len(old)
            return result
        import_sql.make_companies(self._org_id, [*new, *(c for c, _ in old)])
        others = len(new) < len(prepared.candidates)
        made = import_sql.insert(self._org_id, self._import_id, new, prepared.text, others=others)
        result.created = len(made)
        for candidate in new:
            if candidate.row not in made:  # somebody was faster by a moment
                self._already_here(candidate, result)
        reconsidered = import_sql.changed(self._org_id, old, IMPORTED_AND_JUDGED)
        import_sql.update(self._org_id, old)
        if reconsidered:
            reconsider(org=Organization.objects.get(pk=self._org_id), lead_ids=reconsidered)
        result.updated = len(old)
        return result

    def _passing(self, records: Sequence[Record], result: BatchResult) -> Iterator[Candidate]:
        for record in records:
            candidate, problems = self._reader.read(record)
            if candidate is None:
                result.rejected += 1
                result.problems.extend((Outcome.REJECTED, problem) for problem in problems)
            elif repeat := self._repeats(candidate):
                result.skip(candidate.row, *repeat)
            else:
                yield candidate

    def _repeats(self, candidate: Candidate) -> tuple[str, str, str] | None:
        """Field, value and message when the row says what an earlier row of the file said."""
        row, email, person = candidate.row, candidate.fields["email"], candidate.person
        same_email = self._emails.first_row(email, row)
        same_person = self._people.first_row(person, row) if person is not None else row
        if same_email != row:
            return "email", email, f"Row {same_email} of this file has the same address; that row counts."
        if same_person != row:
            name, company = candidate.fields["name"], candidate.fields["company"]
            message = (
                f"{name} of {company} stands in row {same_person} with another address; that row counts."
            )
            return "name", name, message
        return None

    def _without_suppressed(self, candidates: list[Candidate], result: BatchResult) -> list[Candidate]:
        blocked: dict[str, Suppression] = suppressed_among(
            org_id=self._org_id, emails=[c.fields["email"] for c in candidates]
        )
        if not blocked:
            return candidates
        for candidate in candidates:
            if entry := blocked.get(candidate.fields["email"]):
                reason = entry.get_reason_display().lower()
                message = (
                    f"{entry.value} is on the suppression list ({reason}), so this person is not written to."
                )
                result.skip(candidate.row, "email", candidate.fields["email"], message)
        return [c for c in candidates if c.fields["email"] not in blocked]

    def _old(
        self, candidates: list[Candidate], found: dict[int, import_sql.Match], result: BatchResult
    ) -> list[tuple[Candidate, UUID]]:
        """The candidates that update a lead, each lead once."""
        old: dict[UUID, Candidate] = {}
        for candidate in candidates:
            match = found.get(candidate.row)
            if match is None:
                continue
            if not self._update:
                self._already_here(candidate, result, match.email)
            elif match.lead_id in old:
                message = (
                    f"Row {old[match.lead_id].row} of this file is about the same lead; that row counts."
                )
                result.skip(candidate.row, "name", candidate.fields["name"], message)
            else:
                if not match.by_email:
                    custom = {
                        **candidate.fields.get("custom_fields", {}),
                        "Other address": candidate.fields["email"],
                    }
                    candidate.fields["custom_fields"] = custom
                old[match.lead_id] = candidate
        return [(candidate, lead_id) for lead_id, candidate in old.items()]

    def _already_here(self, candidate: Candidate, result: BatchResult, email: str = "") -> None:
        mine = candidate.fields["email"]
        if email and email != mine:
            message = (
                f"{candidate.fields['name']} of {candidate.fields['company']} is already here as {email}."
            )
            result.skip(candidate.row, "name", candidate.fields["name"], message)
        else:
            result.skip(candidate.row, "email", mine, "There is already a lead with this address.")


def in_batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Lists of rows, none with more than `BATCH_ROWS` rows or much more than `BATCH_CELLS` cells."""
    batch: list[Record] = []
    cells = 0
    for record in records:
        batch.append(record)
        cells += len(record.cells)
        if len(batch) >= BATCH_ROWS or cells >= BATCH_CELLS:
            yield batch
            batch, cells = [], 0
    if batch:
        yield batch
