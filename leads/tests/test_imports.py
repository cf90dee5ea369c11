import io
import threading

import pytest
from django.db import connection
from django.db.models.functions import Now

from leadpilot.lib import jobs
from leadpilot.orgs.tenancy import org_context
from leads import tasks
from leads.importing.problems import Unreadable
from leads.models import Company, ImportProblem, ImportStatus, Lead, LeadImport, LeadStatus
from leads.services import import_files, import_rows, import_run, imports
from leads.services.leads import create_lead
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db


def begin(org, text, *, update=True, mapping=None):
    """Upload and start; the small file is imported right away unless AT_ONCE is 0."""
    with org_context(org.pk):
        item = imports.upload(org=org, by=None, file_name="list.csv", file=io.BytesIO(text.encode()))
        return imports.start(
            lead_import=item, mapping=mapping or item.mapping, update_existing=update, by=None
        )


def fresh(org, item):
    with org_context(org.pk):
        return LeadImport.objects.for_org(org).defer("content").get(pk=item.pk)


def counts(item):
    return item.created, item.updated, item.skipped, item.rejected


def problems(org, item):
    with org_context(org.pk):
        return list(
            ImportProblem.objects.filter(lead_import=item)
            .order_by("row")
            .values_list("row", "outcome", "field", "value")
        )


def leads(org):
    with org_context(org.pk):
        return {lead.email: lead for lead in Lead.objects.for_org(org).select_related("company_profile")}


def rows(number, start=0):
    return "name,email\n" + "".join(f"Person {i},p{i}@firm{i}.example\n" for i in range(start, number))


class TestDuplicates:
    def test_the_first_of_two_equal_addresses_in_a_file_counts(self, org):
        item = begin(org, "name,email\nAda Lovelace,ada@x.example\nAda Byron,ADA@x.example\n")
        assert counts(item) == (1, 0, 1, 0)
        assert problems(org, item) == [(3, "skipped", "email", "ada@x.example")]
        assert leads(org)["ada@x.example"].name == "Ada Lovelace"

    def test_the_same_person_of_the_same_company_counts_once(self, org):
        text = "name,company,email\nAda Lovelace,Engine,ada@x.example\nada lovelace,ENGINE,al@x.example\n"
        item = begin(org, text)
        assert counts(item) == (1, 0, 1, 0)

    def test_the_same_name_at_another_company_is_another_person(self, org):
        item = begin(
            org, "name,company,email\nAda,Engine,a@x.example\nAda,Motor,b@x.example\nAda,,c@x.example\n"
        )
        assert counts(item) == (3, 0, 0, 0)

    def test_existing_leads_are_brought_up_to_date(self, org):
        with org_context(org.pk):
            old = create_lead(
                org=org,
                name="Ada",
                email="ada@x.example",
                phone="1",
                tags=["a"],
                custom_fields={"k": "old", "z": "1"},
            )
            Lead.objects.filter(pk=old.pk).update(status=LeadStatus.REPLIED, score=70)
        item = begin(org, 'name,email,phone,title,tags,k\nAda L,Ada@X.example,,Boss,"a,b",new\n')
        assert counts(item) == (0, 1, 0, 0)
        lead = leads(org)["ada@x.example"]
        assert (lead.pk, lead.name, lead.phone, lead.title) == (old.pk, "Ada L", "1", "Boss")
        assert (lead.tags, lead.custom_fields) == (["a", "b"], {"k": "new", "z": "1"})
        assert (lead.status, lead.score, lead.lead_import_id) == (LeadStatus.REPLIED, 70, None)

    def test_existing_leads_are_left_alone_on_request(self, org):
        begin(org, "name,email\nAda,ada@x.example\n")
        item = begin(org, "name,email\nChanged,ada@x.example\nNew,new@x.example\n", update=False)
        assert counts(item) == (1, 0, 1, 0)
        assert leads(org)["ada@x.example"].name == "Ada"

    def test_a_known_person_with_a_new_address_keeps_both(self, org):
        begin(org, "name,company,email\nAda Lovelace,Engine,old@x.example\n")
        item = begin(org, "name,company,email,title\nAda Lovelace,Engine,new@x.example,Boss\n")
        assert counts(item) == (0, 1, 0, 0)
        (lead,) = leads(org).values()
        assert (lead.email, lead.title, lead.custom_fields) == (
            "old@x.example",
            "Boss",
            {"Other address": "new@x.example"},
        )

    def test_another_organizations_leads_are_no_duplicates(self, org, other_org):
        begin(other_org, "name,email\nAda,ada@x.example\n")
        assert counts(begin(org, "name,email\nAda,ada@x.example\n")) == (1, 0, 0, 0)
        assert len(leads(other_org)) == 1


class TestRows:
    def test_suppressed_addresses_and_domains_are_skipped_with_the_reason(self, org):
        with org_context(org.pk):
            suppress(org=org, value="ada@x.example", reason="unsubscribed")
            suppress(org=org, value="blocked.example", reason="manual")
        item = begin(org, "name,email\nAda,Ada@x.example\nBo,bo@mail.blocked.example\nCy,cy@x.example\n")
        assert counts(item) == (1, 0, 2, 0)
        with org_context(org.pk):
            messages = list(ImportProblem.objects.order_by("row").values_list("message", flat=True))
        assert "unsubscribed" in messages[0]
        assert "blocked.example" in messages[1]

    def test_a_row_is_taken_whole_or_not_at_all(self, org):
        item = begin(org, "name,email,website\nAda,ada@x.example,not a site\nBo,bo@x.example,n/a\n")
        assert counts(item) == (1, 0, 0, 1)
        assert problems(org, item) == [(2, "rejected", "website_url", "not a site")]

    def test_each_fault_of_a_row_is_listed_and_the_row_counted_once(self, org):
        item = begin(org, "name,email\n,nowhere\n")
        assert counts(item) == (0, 0, 0, 1)
        assert [p[2] for p in problems(org, item)] == ["name", "email"]

    def test_leads_are_linked_to_their_companies(self, org):
        begin(
            org,
            "name,email,company,website\nAda,ada@engine.example,Engine,\nBo,bo@engine.example,Engine Ltd,\n"
            "Cy,cy@gmail.com,Cycles,https://www.cycles.example/about\nDi,di@gmail.com,,\n",
        )
        found = {
            email: lead.company_profile and lead.company_profile.domain for email, lead in leads(org).items()
        }
        assert found == {
            "ada@engine.example": "engine.example",
            "bo@engine.example": "engine.example",
            "cy@gmail.com": "cycles.example",
            "di@gmail.com": None,
        }
        with org_context(org.pk):
            assert Company.objects.get(domain="engine.example").name == "Engine"

    def test_what_is_not_mapped_is_kept_and_what_is_left_out_is_not(self, org):
        begin(
            org,
            "name,email,Shoe size,Secret\nAda,ada@x.example,38,hush\n",
            mapping={"name": "name", "email": "email", "Shoe size": "custom", "Secret": ""},
        )
        assert leads(org)["ada@x.example"].custom_fields == {"Shoe size": "38"}

    def test_too_many_values_in_a_row_are_not_shifted_into_other_fields(self, org):
        item = begin(org, "name,email\nLovelace, Ada,ada@x.example\nBo,bo@x.example,,\n")
        assert counts(item) == (1, 0, 0, 1)
        assert problems(org, item)[0][:3] == (2, "rejected", "row")

    def test_empty_rows_are_passed_over_but_counted_in_row_numbers(self, org):
        item = begin(org, "name,email\n\n,\nAda,\n")
        assert (item.total, counts(item)) == (1, (0, 0, 0, 1))
        assert problems(org, item)[0][0] == 4

    def test_instructions_in_cells_are_only_text(self, org):
        begin(org, 'name,email\n"Robert\'); DROP TABLE leads_lead;--",bobby@x.example\n')
        assert leads(org)["bobby@x.example"].name == "Robert'); DROP TABLE leads_lead;--"


class TestRunning:
    @pytest.fixture(autouse=True)
    def _by_the_workers(self, monkeypatch):
        monkeypatch.setattr(imports, "AT_ONCE", 0)
        monkeypatch.setattr(import_rows, "BATCH_ROWS", 10)

    def test_a_worker_is_woken_and_imports(self, org):
        item = begin(org, rows(25))
        assert item.status == ImportStatus.RUNNING
        jobs.run_pending()
        item = fresh(org, item)
        assert (item.status, item.created, item.processed) == (ImportStatus.COMPLETED, 25, 25)
        with org_context(org.pk):
            assert LeadImport.objects.get().content is None

    def test_without_a_wake_up_the_sweeper_finds_it(self, org, other_org):
        mine, theirs = begin(org, rows(5)), begin(other_org, rows(3))
        tasks.sweep()
        jobs.run_pending()
        assert (fresh(org, mine).created, fresh(other_org, theirs).created) == (5, 3)
        assert import_run.waiting() == []

    def test_a_long_import_is_handed_on_before_its_job_is_ended(self, org):
        item = begin(org, rows(25) + "Nobody,\n")
        assert import_run.run(org_id=org.pk, import_id=item.pk, seconds=0)
        half = fresh(org, item)
        assert (half.processed, half.attempts, half.lease_until) == (10, 0, None)
        assert import_run.run(org_id=org.pk, import_id=item.pk, seconds=0)
        assert fresh(org, item).processed == 20
        jobs.run_pending()
        item = fresh(org, item)
        assert (item.status, counts(item), item.attempts) == (ImportStatus.COMPLETED, (25, 0, 0, 1), 1)

    def test_one_who_was_left_behind_cannot_come_back(self, org, monkeypatch):
        item = begin(org, rows(30))
        write = import_rows.Batcher.write

        def slow(self, prepared):
            if (
                prepared.candidates[0].row == 12
            ):  # another worker did the rest of the first job and handed it on
                LeadImport.objects.filter(pk=item.pk).update(processed=20)
            return write(self, prepared)

        monkeypatch.setattr(import_rows.Batcher, "write", slow)
        assert not import_run.run(org_id=org.pk, import_id=item.pk)
        assert len(leads(org)) == 10

    def test_repeating_the_wake_up_changes_nothing(self, org):
        item = begin(org, rows(5))
        for _ in range(3):
            tasks.run_import(str(org.pk), str(item.pk))
        assert (fresh(org, item).created, fresh(org, item).attempts) == (5, 1)

    def test_a_killed_import_goes_on_without_doubling(self, org, monkeypatch):
        text = rows(30) + "Person 3,p3@firm3.example\nNobody,\n"
        item = begin(org, text)
        die_in_batch(monkeypatch, 3)
        with pytest.raises(Killed):
            import_run.run(org_id=org.pk, import_id=item.pk)
        half = fresh(org, item)
        assert (half.processed, half.created, half.status) == (20, 20, ImportStatus.RUNNING)
        assert len(leads(org)) == 20
        monkeypatch.undo()
        assert not import_run.run(org_id=org.pk, import_id=item.pk)  # the dead worker's lease still runs
        expire(org, item)
        tasks.sweep()
        jobs.run_pending()
        item = fresh(org, item)
        assert (item.status, counts(item), item.processed) == (ImportStatus.COMPLETED, (30, 0, 1, 1), 32)
        assert [p[0] for p in problems(org, item)] == [32, 33]

    def test_a_worker_that_lost_its_lease_writes_nothing_more(self, org, monkeypatch):
        item = begin(org, rows(30))
        write = import_rows.Batcher.write

        def overtaken(self, prepared):
            if prepared.candidates[0].row == 12:  # the second batch: meanwhile another worker took over
                LeadImport.objects.filter(pk=item.pk).update(attempts=9)
            return write(self, prepared)

        monkeypatch.setattr(import_rows.Batcher, "write", overtaken)
        assert not import_run.run(org_id=org.pk, import_id=item.pk)
        assert len(leads(org)) == 10
        assert fresh(org, item).processed == 10

    def test_what_kills_its_worker_three_times_is_given_up(self, org, monkeypatch):
        item = begin(org, rows(15))
        die_in_batch(monkeypatch, 2)
        for _ in range(3):
            with pytest.raises(Killed):
                import_run.run(org_id=org.pk, import_id=item.pk)
            expire(org, item)
        assert not import_run.run(org_id=org.pk, import_id=item.pk)
        item = fresh(org, item)
        assert item.status == ImportStatus.FAILED
        assert "stopped 3 times after row 10" in item.failure
        assert import_run.waiting() == []

    def test_an_interrupted_command_says_what_to_do(self, org, tmp_path, monkeypatch):
        path = tmp_path / "leads.csv"
        path.write_text(rows(15))
        die_in_batch(monkeypatch, 2)
        with pytest.raises(Killed):
            imports.import_file(org_id=org.pk, path=path, report=print)
        monkeypatch.undo()
        with org_context(org.pk):
            item = LeadImport.objects.get()
        expire(org, item)
        tasks.sweep()
        jobs.run_pending()
        assert "Run it again" in fresh(org, item).failure
        again = imports.import_file(org_id=org.pk, path=path, report=print)
        assert (again.created, again.updated) == (5, 10)

    def test_an_import_of_another_organization_cannot_be_run(self, org, other_org):
        item = begin(org, rows(5))
        assert not import_run.run(org_id=other_org.pk, import_id=item.pk)
        assert fresh(org, item).processed == 0


@pytest.mark.django_db(transaction=True)
def test_the_same_file_by_two_workers_at_once_is_in_once(org, monkeypatch):
    monkeypatch.setattr(imports, "AT_ONCE", 0)
    monkeypatch.setattr(import_rows, "BATCH_ROWS", 50)
    items = [begin(org, rows(300)) for _ in range(2)]

    def work(item):
        import_run.run(org_id=org.pk, import_id=item.pk)
        connection.close()

    threads = [threading.Thread(target=work, args=[item]) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [fresh(org, item) for item in items]
    assert [item.status for item in done] == [ImportStatus.COMPLETED] * 2
    assert sum(item.created for item in done) == 300
    assert sum(item.updated for item in done) == 300
    assert len(leads(org)) == 300


def test_a_dry_run_says_what_the_run_then_does(org):
    text = (
        "name,company,email\n"
        + "".join(f"P{i % 7}x,C{i % 3},p{i % 11}@x.example\n" for i in range(60))
        + "A,,b\n"
    )
    begin(org, "name,company,email\nP1x,C1,known@x.example\n")
    with org_context(org.pk):
        item = imports.upload(org=org, by=None, file_name="a.csv", file=io.BytesIO(text.encode()))
        with import_files.stored_source(item) as source:
            dry, looked_at = imports.dry_run(
                lead_import=item, source=source, mapping=item.mapping, update_existing=True
            )
        done = imports.start(lead_import=item, mapping=item.mapping, update_existing=True, by=None)
    assert looked_at == 61
    assert counts(done) == (dry.created, dry.updated, dry.skipped, dry.rejected)
    assert len(problems(org, done)) == len(dry.problems)


def test_a_mapping_by_hand_must_name_columns_of_the_file(org, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("name,email\nAda,ada@x.example\n")
    with pytest.raises(Unreadable, match="There is no column “Mail”; the columns are: name, email"):
        imports.import_file(org_id=org.pk, path=path, mapping={"Mail": "email"}, report=print)


class Killed(BaseException):
    """What SIGKILL looks like from inside: nobody catches it."""


def die_in_batch(monkeypatch, number):
    seen = []
    write = import_rows.Batcher.write

    def dying(self, prepared):
        seen.append(prepared)
        result = write(self, prepared)
        if prepared.candidates[0].row > (number - 1) * 10:
            raise Killed
        return result

    monkeypatch.setattr(import_rows.Batcher, "write", dying)


def expire(org, item):
    with org_context(org.pk):
        LeadImport.objects.filter(pk=item.pk).update(lease_until=Now())
