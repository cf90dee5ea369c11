import json
import zipfile
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from openpyxl import Workbook

from leadpilot.orgs.tenancy import org_context
from leads.models import Lead, LeadImport
from leads.services import import_run

pytestmark = pytest.mark.django_db


def run(path: Path, *args: str) -> dict:
    out = StringIO()
    call_command("import_leads", str(path), "--org", "acme", "--json", *args, stdout=out)
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.fixture
def table(tmp_path):
    def make(text, name="leads.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return make


def leads(org):
    with org_context(org.pk):
        return list(Lead.objects.for_org(org).order_by("email"))


def test_it_creates_leads_and_prints_the_counts(org, table):
    result = run(
        table(
            "name,email,company\nAda Lovelace,Ada@Engine.example,Engine\nBob Ross,bob@paint.example,Paint\n"
        )
    )
    assert result == {"created": 2, "updated": 0, "skipped": 0, "rejected": 0, "errors": []}
    ada, _ = leads(org)
    assert (ada.name, ada.email, ada.company) == ("Ada Lovelace", "ada@engine.example", "Engine")
    assert ada.company_profile_id is not None
    assert ada.source == "Import: leads.csv"
    with org_context(org.pk):
        assert ada.company_profile.domain == "engine.example"


def test_a_second_run_updates_and_doubles_nothing(org, table):
    path = table("name,email,phone\nAda Lovelace,ada@engine.example,123\n")
    run(path)
    result = run(table("name,email,phone,title\nAda Byron,ADA@engine.example,,Countess\n"))
    assert (result["created"], result["updated"]) == (0, 1)
    (ada,) = leads(org)
    assert (ada.name, ada.phone, ada.title) == ("Ada Byron", "123", "Countess")


def test_a_dry_run_prints_the_same_numbers_and_writes_nothing(org, table):
    path = table(
        "name,email\nAda Lovelace,ada@engine.example\n,x@y.example\nBob,nothing\nAda,ada@engine.example\n"
    )
    dry = run(path, "--dry-run")
    assert leads(org) == []
    with org_context(org.pk):
        assert not LeadImport.objects.exists()
    assert run(path) == dry
    assert (dry["created"], dry["skipped"], dry["rejected"]) == (1, 1, 2)
    assert [(e["row"], e["field"], e["value"]) for e in dry["errors"]] == [
        (3, "name", ""),
        (4, "email", "nothing"),
        (5, "email", "ada@engine.example"),
    ]


def test_columns_can_be_mapped_by_hand(org, table):
    result = run(
        table("Wer,Wohin,Was\nAda Lovelace,ada@engine.example,Engine\n"),
        "--map",
        "wer=name",
        "--map",
        "Was=company",
    )
    assert result["created"] == 1
    assert leads(org)[0].company == "Engine"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"name,company\nAda,Engine\n", "No column holds email addresses"),
        (b"%PDF-1.7 nothing", "PDF"),
        (b"Ada,ada@engine.example\n", "put a first row above it"),
        (b"\x00\x01\x02" * 100, "not a text file"),
        (b"<html><body>no</body></html>", "web page"),
    ],
)
def test_a_file_that_cannot_be_read_exits_with_2(org, table, content, words):
    with pytest.raises(CommandError, match=words) as caught:
        run(table(content))
    assert caught.value.returncode == 2
    assert leads(org) == []


def test_a_missing_file_exits_with_2(org, tmp_path):
    with pytest.raises(CommandError, match="There is no file") as caught:
        run(tmp_path / "nowhere.csv")
    assert caught.value.returncode == 2


def test_an_unknown_organization_is_named_and_exits_with_2(org, table):
    with pytest.raises(CommandError, match=r"short name “nobody”: give --org one that exists") as caught:
        call_command("import_leads", str(table("name,email\n")), "--org", "nobody")
    assert caught.value.returncode == 2


def refused(path, *args, org="acme"):
    """The last line of what was printed before the command gave up."""
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("import_leads", str(path), "--org", org, "--json", *args, stdout=out)
    assert caught.value.returncode == 2
    result = json.loads(out.getvalue().splitlines()[-1])
    (error,) = result["errors"]
    assert error["message"] == str(caught.value).encode("utf-8", "replace").decode()
    return result, error


@pytest.mark.parametrize(
    ("args", "org_slug", "field", "value"),
    [
        ([], "nobody", "org", "nobody"),
        (["--map", "Nowhere=email"], "acme", "map", "Nowhere=email"),
        (["--map", "email=banana"], "acme", "map", "email=banana"),
    ],
)
def test_with_json_the_last_line_is_json_also_when_nothing_was_read(org, table, args, org_slug, field, value):
    result, error = refused(table("name,email\nAda,ada@engine.example\n"), *args, org=org_slug)
    assert {result[name] for name in ("created", "updated", "skipped", "rejected")} == {0}
    assert (error["row"], error["field"], error["value"]) == (0, field, value)


def test_with_json_a_file_that_is_not_there_is_named_even_if_its_name_is_no_text(org, tmp_path):
    _, error = refused(tmp_path / "no\udcffwhere.csv")
    assert error["field"] == "file"
    assert error["value"].endswith("no?where.csv")


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_file_with_titles_only_is_said_to_have_no_rows(org, table, dry):
    out, err = StringIO(), StringIO()
    call_command("import_leads", str(table("name,email\n")), "--org", "acme", *dry, stdout=out, stderr=err)
    assert "no rows under them" in err.getvalue()
    assert out.getvalue().startswith("0 rows")


def test_a_workbook_that_breaks_off_keeps_and_counts_what_came_before(org, tmp_path, monkeypatch):
    monkeypatch.setattr("leads.services.import_rows.BATCH_ROWS", 500)
    book, part = Workbook(), "xl/worksheets/sheet1.xml"
    book.active.append(["name", "email"])
    for number in range(3000):
        book.active.append([f"Ada {number}", f"ada{number}@engine.example"])
    book.save(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as old, zipfile.ZipFile(tmp_path / "cut.xlsx", "w") as new:
        for item in old.infolist():
            content = old.read(item.filename)
            new.writestr(item.filename, content[: len(content) // 2] if item.filename == part else content)
    result, error = refused(tmp_path / "cut.xlsx")
    assert 500 <= result["created"] < 3000
    assert len(leads(org)) == result["created"]
    assert "damaged" in error["message"]
    assert f"The {result['created']:,} rows before that were dealt with" in error["message"]
    with org_context(org.pk):
        assert LeadImport.objects.get().status == "failed"


def test_an_import_that_another_process_gave_up_stops_with_a_sentence(org, table, monkeypatch):
    monkeypatch.setattr("leads.services.import_rows.BATCH_ROWS", 1)
    taken = []

    def take_over(lead_import, source, mapping, **options):
        with org_context(org.pk):
            LeadImport.objects.update(attempts=9)
        taken.append(lead_import.pk)
        return read_all(lead_import, source, mapping, **options)

    read_all = import_run.read_all
    monkeypatch.setattr(import_run, "read_all", take_over)
    result, error = refused(table("name,email\nAda,ada@engine.example\n"))
    assert taken
    assert result["created"] == 0
    assert "given up. Run it again" in error["message"]
    assert leads(org) == []


def test_without_json_it_speaks_to_people(org, table):
    out = StringIO()
    path = table("name,email\nAda Lovelace,ada@engine.example\nBob,\n")
    call_command("import_leads", str(path), "--org", "acme", stdout=out)
    assert "2 rows: 1 created, 0 updated, 0 skipped, 1 rejected." in out.getvalue()
    assert "Row 3, email: The email address is missing" in out.getvalue()


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("Email=banana", "“banana”, given for the column “Email”, is not a field"),
        ("Email", "Their column=field"),
        ("=email", "Their column=field"),
        ("Nowhere=email", "There is no column “Nowhere”; the columns are: name, email"),
        ("email=", "No column holds email addresses"),
    ],
)
def test_a_wrong_mapping_exits_with_2_and_says_what_is_known(org, table, pair, words):
    with pytest.raises(CommandError, match=words) as caught:
        run(table("name,email\nAda,ada@engine.example\n"), "--map", pair)
    assert caught.value.returncode == 2
    assert leads(org) == []


def test_columns_without_a_meaning_are_kept_unless_they_are_left_out(org, table):
    text = "name,email,Shoe size,Secret\nAda,ada@engine.example,38,hush\n"
    run(table(text), "--map", "Secret=")
    assert leads(org)[0].custom_fields == {"Shoe size": "38"}


def test_existing_leads_can_be_left_alone(org, table):
    path = table("name,email\nAda,ada@engine.example\n")
    run(path)
    result = run(table("name,email\nChanged,ada@engine.example\n"), "--skip-existing")
    assert (result["updated"], result["skipped"]) == (0, 1)
    assert leads(org)[0].name == "Ada"


def test_a_workbook_is_imported(org, tmp_path):
    book = Workbook()
    book.active.append(["Vorname", "Nachname", "E-Mail", "Telefon"])
    book.active.append(["Jürgen", "Groß", "j@gross.example", 4930123456])
    book.active.append(["Ohne", "Adresse", None, None])
    book.save(tmp_path / "leads.xlsx")
    result = run(tmp_path / "leads.xlsx")
    assert (result["created"], result["rejected"], result["errors"][0]["row"]) == (1, 1, 3)
    assert (leads(org)[0].name, leads(org)[0].phone) == ("Jürgen Groß", "4930123456")


def test_a_file_with_titles_only_is_an_import_of_nothing(org, table):
    assert run(table("name,email\n")) == {
        "created": 0,
        "updated": 0,
        "skipped": 0,
        "rejected": 0,
        "errors": [],
    }


def test_long_lists_of_problems_are_cut_for_people_not_for_programs(org, table):
    path = table("name,email\n" + "Ada,nowhere\n" * 30)
    out = StringIO()
    call_command("import_leads", str(path), "--org", "acme", "--dry-run", stdout=out)
    assert "30 would be rejected" in out.getvalue()
    assert "and more; --json lists them all" in out.getvalue()
    assert [error["row"] for error in run(path)["errors"]] == list(range(2, 32))


def test_the_other_organization_stays_as_it_was(org, other_org, table):
    run(table("name,email\nAda,ada@engine.example\n"))
    assert leads(other_org) == []


def test_odd_letters_and_quotes_come_back_in_the_json_as_they_are(org, table):
    (error,) = run(table('name,email\nAda,"„nö"" 漢字"\n'))["errors"]
    assert error["field"] == "email"
    assert "漢字" in error["value"]


def test_people_with_one_letter_and_short_names_are_people(org, table):
    assert run(table("name,email\nO,o@engine.example\nNg,ng@engine.example\n"))["created"] == 2
    assert [lead.name for lead in leads(org)] == ["Ng", "O"]


def test_letters_before_the_at_sign_that_cannot_be_written_to_are_named(org, table):
    (error,) = run(table("name,email\nÜnal,ü@engine.example\n"))["errors"]
    assert "“ü” before the @" in error["message"]
    assert "Use another address" in error["message"]
