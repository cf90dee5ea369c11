"""Every row of every file is accounted for: taken, or listed with its reason (TRUST F15)."""

import csv
import io
from types import SimpleNamespace

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.orgs.tenancy import org_context
from leads import queries
from leads.importing.problems import Unreadable
from leads.importing.source import open_source
from leads.models import ImportProblem, ImportStatus, Lead, LeadImport
from leads.services import import_files, import_rows, import_sql, imports
from leads.services.import_rows import Batcher, Candidate, RowReader, in_batches
from leads.services.leads import create_lead
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db

NAMES = ["Ada", "ADA", " ada ", "Bo Ek", "X", "", "Ünal Ç", "n/a", "=1+1", "y" * 101, "Bo\nEk", "漢字 名前"]
EMAILS = [
    "ada@x.example",
    "ADA@X.example",
    "bo@x.example",
    "known@x.example",
    "no@blocked.example",
    "broken",
    "",
    "a@b.co; c@d.co",
    "Ünal <u@x.example>",
]
COMPANIES = ["", "Engine", "ENGINE ", "Motor", "z" * 201]
SITES = ["", "x.example", "no site", "n/a"]


@pytest.fixture
def busy(org):
    """An organization with a lead and a suppressed domain."""
    with org_context(org.pk):
        create_lead(org=org, name="Known", email="known@x.example", company="Motor")
        suppress(org=org, value="blocked.example", reason="manual")
    return org


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.sampled_from(EMAILS),
            st.sampled_from(COMPANIES),
            st.sampled_from(SITES),
        ),
        max_size=25,
    ),
    update=st.booleans(),
    size=st.integers(1, 9),
)
def test_rows_are_taken_or_listed_and_the_dry_run_knows(tmp_path_factory, busy, table, update, size):
    path = tmp_path_factory.mktemp("t") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["name", "email", "company", "website"], *table])
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(import_rows, "BATCH_ROWS", size)
        runs = []
        for dry in (True, False):
            problems = []
            tally = imports.import_file(
                org_id=busy.pk, path=path, update_existing=update, dry=dry, report=problems.append
            )
            runs.append((tally, problems))
        with org_context(busy.pk):
            emails = [lead.email for lead in Lead.objects.for_org(busy)]
            done = LeadImport.objects.get()
        transaction.set_rollback(True)
    (dry_tally, dry_problems), (tally, problems) = runs
    assert (tally, problems) == (dry_tally, dry_problems)
    filled = [row for row in table if any(cell.strip() for cell in row)]
    assert tally.created + tally.updated + tally.skipped + tally.rejected == len(filled) == tally.processed
    assert len({problem.row for problem in problems}) == tally.skipped + tally.rejected
    assert len(emails) == 1 + tally.created == len({email.lower() for email in emails})
    assert not any(email.endswith("blocked.example") for email in emails)
    assert all(problem.message.endswith((".", "…")) and problem.field for problem in problems)
    assert (done.status, done.total) == (ImportStatus.COMPLETED, len(filled))
    if not update:
        assert tally.updated == 0


def candidate(row, email, name="Ada", company=""):
    return Candidate(row, {"email": email, "name": name, "company": company})


def test_whoever_is_faster_by_a_moment_wins(busy, monkeypatch):
    monkeypatch.setattr(
        import_sql, "existing", lambda org_id, keys, import_id: {}
    )  # they came after this was asked
    with org_context(busy.pk):
        batcher = Batcher(reader_of("name,email\n"), org_id=busy.pk, update_existing=True)
        source_rows = rows_of("name,email\nOther,known@x.example\nNew,new@x.example\n")
        result = batcher.take(source_rows)
        assert Lead.objects.get(email="known@x.example").name == "Known"
    assert (result.created, result.skipped) == (1, 1)
    assert "already a lead with this address" in result.problems[0][1].message


def test_two_rows_about_one_lead_update_it_once(busy):
    text = "name,email,company\nRenamed,known@x.example,\nKnown,other@x.example,Motor\n"
    with org_context(busy.pk):
        result = Batcher(reader_of(text), org_id=busy.pk, update_existing=True).take(rows_of(text))
    assert (result.updated, result.skipped) == (1, 1)
    assert "Row 2 of this file is about the same lead" in result.problems[0][1].message


def test_a_known_person_is_left_alone_on_request_and_told_apart(busy):
    text = "name,email,company\nKnown,other@x.example,Motor\n"
    with org_context(busy.pk):
        result = Batcher(reader_of(text), org_id=busy.pk, update_existing=False).take(rows_of(text))
    assert result.problems[0][1].message == "Known of Motor is already here as known@x.example."


def source_of(text):
    header, *lines = list(csv.reader(io.StringIO(text)))
    return SimpleNamespace(titles=header, mapping={t: t for t in header}, lines=lines)


def reader_of(text):
    source = source_of(text)
    return RowReader(source, source.mapping)


def rows_of(text):
    return [import_rows.Record(number, cells) for number, cells in enumerate(source_of(text).lines, start=2)]


def test_wide_rows_come_in_smaller_batches(monkeypatch):
    monkeypatch.setattr(import_rows, "BATCH_CELLS", 100)
    wide = [import_rows.Record(number, ["x"] * 30) for number in range(10)]
    assert [len(batch) for batch in in_batches(wide)] == [4, 4, 2]
    assert list(in_batches([])) == []


def test_two_columns_of_one_field_give_the_first_that_is_filled():
    source = SimpleNamespace(titles=["Mail 1", "Mail 2", "name"])
    reader = RowReader(source, {"Mail 1": "email", "Mail 2": "email", "name": "name"})
    found, _ = reader.read(import_rows.Record(2, ["", "b@x.example", "Bo"]))
    assert found.fields["email"] == "b@x.example"
    found, _ = reader.read(import_rows.Record(3, ["a@x.example", "b@x.example", "Bo"]))
    assert found.fields["email"] == "a@x.example"


def test_a_name_wins_over_its_parts():
    source = SimpleNamespace(titles=["n", "f", "l", "e"])
    reader = RowReader(source, {"n": "name", "f": "first_name", "l": "last_name", "e": "email"})
    found, _ = reader.read(import_rows.Record(2, ["Countess", "Ada", "Byron", "a@x.example"]))
    assert found.fields["name"] == "Countess"
    found, _ = reader.read(import_rows.Record(3, ["", " Ada ", "Byron", "a@x.example"]))
    assert found.fields["name"] == "Ada Byron"


class TestStart:
    def begun(self, org, mapping=None):
        item = imports.upload(
            org=org, by=None, file_name="a.csv", file=io.BytesIO(b"name,email\nAda,a@x.example\n")
        )
        return imports.start(lead_import=item, mapping=mapping or item.mapping, update_existing=True, by=None)

    def test_an_import_starts_once(self, in_org):
        item = self.begun(in_org)
        with pytest.raises(Conflict, match="started already"):
            imports.start(lead_import=item, mapping=item.mapping, update_existing=True, by=None)
        assert Lead.objects.count() == 1

    @pytest.mark.parametrize(
        ("mapping", "words"),
        [
            ({"name": "name", "email": ""}, "No column is mapped to Email"),
            ({"name": "", "email": "email"}, "No column is mapped to Name"),
            ({"name": "score", "email": "email"}, "“score” is not a field of a lead"),
        ],
    )
    def test_a_mapping_that_leads_nowhere_is_refused(self, in_org, mapping, words):
        with pytest.raises(DomainError, match=words):
            self.begun(in_org, mapping)
        assert LeadImport.objects.get().status == ImportStatus.UPLOADED

    def test_the_import_stands_in_the_leads_timeline(self, in_org):
        item = self.begun(in_org)
        (entry,) = queries.timeline(Lead.objects.get())
        assert (entry.kind, entry.text) == ("import", "Import: a.csv")
        assert str(item.pk) in entry.url

    def test_a_file_that_turns_out_broken_fails_with_a_sentence(self, in_org, monkeypatch):
        def broken(self, records):  # read ahead in a thread
            raise Unreadable("This workbook is damaged.")

        monkeypatch.setattr(Batcher, "prepare", broken)
        item = self.begun(in_org)
        assert (item.status, item.failure) == (ImportStatus.FAILED, "This workbook is damaged.")
        assert not ImportProblem.objects.exists()


def test_a_large_file_survives_the_database_bit_by_bit(in_org, monkeypatch):
    monkeypatch.setattr(import_files, "PIECE", 1000)
    text = "name,email\n" + "".join(f"Pérson {i},p{i}@x.example\n" for i in range(300))
    item = imports.upload(org=in_org, by=None, file_name="a.csv", file=io.BytesIO(text.encode()))
    with import_files.stored_source(item) as source:
        assert source.path.read_bytes() == text.encode()
    assert not source.path.exists()


def test_an_import_keeps_no_file_once_it_is_done(in_org):
    item = imports.upload(
        org=in_org, by=None, file_name="a.csv", file=io.BytesIO(b"name,email\nAda,a@x.example\n")
    )
    assert LeadImport.objects.filter(pk=item.pk, content__isnull=False).exists()
    imports.start(lead_import=item, mapping=item.mapping, update_existing=True, by=None)
    assert LeadImport.objects.filter(pk=item.pk, content=None).exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.csv", "", "x" * 400 + ".csv", "<b>.csv"])
def test_file_names_are_only_names(in_org, name):
    item = imports.upload(
        org=in_org, by=None, file_name=name, file=io.BytesIO(b"name,email\nAda,a@x.example\n")
    )
    assert "/" not in item.file_name
    assert 0 < len(item.file_name) <= 255


def test_a_table_of_one_column_is_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("email\nada@x.example\nbo@x.example\n")
    assert [record.cells for record in open_source(path).rows()] == [["ada@x.example"], ["bo@x.example"]]
