import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from leadpilot.orgs.tenancy import org_context
from leads.models import ImportStatus, Lead, LeadImport
from leads.services import import_files, import_run, imports

pytestmark = pytest.mark.django_db

TABLE = "Vorname;Nachname;E-Mail;Firma;Notiz\nJürgen;Groß;juergen@gross.example;Groß GmbH;=1+1\n;;kaputt;;\n"
CHOICES = {
    "column-0": "first_name",
    "column-1": "last_name",
    "column-2": "email",
    "column-3": "company",
    "column-4": "",
    "update_existing": "1",
}


def csv_file(text=TABLE, name="kontakte.csv", encoding="cp1252"):
    return SimpleUploadedFile(name, text.encode(encoding), content_type="text/csv")


@pytest.fixture
def uploaded(org, alice):
    with org_context(org.pk):
        return imports.upload(
            org=org, by=alice, file_name="kontakte.csv", file=io.BytesIO(TABLE.encode("cp1252"))
        )


def the_import(org):
    with org_context(org.pk):
        return LeadImport.objects.for_org(org).defer("content").get()


def url(name, item):
    return reverse(f"leads:{name}", args=[item.pk])


class TestUpload:
    def test_the_page_offers_a_file_and_lists_past_imports(self, client_for, mia, uploaded):
        page = client_for(mia).get(reverse("leads:import_create"))
        assert page.status_code == 200
        assert b'enctype="multipart/form-data"' in page.content
        assert b"kontakte.csv" in page.content

    def test_a_file_leads_to_its_mapping(self, client_for, mia, org):
        answer = client_for(mia).post(reverse("leads:import_create"), {"file": csv_file()})
        item = the_import(org)
        assert answer["Location"] == url("import_detail", item)
        assert (item.encoding, item.delimiter, item.total) == ("cp1252", ";", 2)
        assert item.created_by == mia

    @pytest.mark.parametrize(
        ("file", "words"),
        [
            (SimpleUploadedFile("a.csv", b""), "This file is empty"),
            (SimpleUploadedFile("a.pdf", b"%PDF-1.7 nothing"), "PDF"),
            (SimpleUploadedFile("a.xlsx", b"PK\x03\x04 broken"), "damaged"),
            (SimpleUploadedFile("a.csv", b"Ada,ada@engine.example\n"), "put a first row above it"),
        ],
    )
    def test_a_file_that_is_no_table_is_explained(self, client_for, mia, org, file, words):
        page = client_for(mia).post(reverse("leads:import_create"), {"file": file})
        assert page.status_code == 422
        assert words in page.content.decode()
        with org_context(org.pk):
            assert not LeadImport.objects.exists()

    def test_no_file_at_all_is_a_complaint_not_a_crash(self, client_for, mia, org):
        page = client_for(mia).post(reverse("leads:import_create"), {})
        assert page.status_code == 422
        assert b"required" in page.content

    def test_too_large_a_file_is_refused(self, client_for, mia, org, monkeypatch):
        monkeypatch.setattr(import_files, "MAX_UPLOAD", 10)
        page = client_for(mia).post(reverse("leads:import_create"), {"file": csv_file()})
        assert page.status_code == 422
        assert b"can be uploaded" in page.content

    def test_viewers_are_refused(self, client_for, bob, org):
        assert client_for(bob).get(reverse("leads:import_create")).status_code == 403


class TestMapping:
    def test_it_shows_the_guess_the_samples_and_what_would_happen(self, client_for, mia, uploaded, org):
        text = client_for(mia).get(url("import_detail", uploaded)).content.decode()
        assert "Jürgen" in text
        assert '<option value="first_name" selected>' in text
        assert "Tried with every row" in text
        assert "The name is missing" in text
        with org_context(org.pk):
            assert not Lead.objects.exists()

    def test_encodings_are_offered_by_names_that_people_know(self, client_for, mia, uploaded):
        text = client_for(mia).get(url("import_detail", uploaded)).content.decode()
        assert '<option value="cp1252" selected>Western European (Windows-1252)</option>' in text
        assert ">UTF-8</option>" in text
        assert ">cp1252<" not in text

    def test_a_file_without_rows_is_said_to_have_none(self, client_for, mia, org):
        client = client_for(mia)
        client.post(reverse("leads:import_create"), {"file": csv_file("name,email\n")})
        page = client.get(url("import_detail", the_import(org)))
        assert "has no rows under its column titles" in page.content.decode()

    def test_a_changed_choice_changes_the_preview(self, client_for, mia, uploaded):
        page = client_for(mia).post(
            url("import_preview", uploaded), {**CHOICES, "column-2": ""}, headers={"HX-Request": "true"}
        )
        assert page.status_code == 200
        assert b"No column is mapped to Email" in page.content
        assert b"<html" not in page.content

    def test_an_invented_field_is_refused(self, client_for, mia, uploaded):
        page = client_for(mia).post(url("import_start", uploaded), {**CHOICES, "column-0": "status"})
        assert page.status_code == 422

    def test_without_an_address_nothing_starts(self, client_for, mia, org, uploaded):
        page = client_for(mia).post(url("import_start", uploaded), {**CHOICES, "column-2": ""})
        assert page.status_code == 422
        assert b"No column is mapped to Email" in page.content
        assert the_import(org).status == ImportStatus.UPLOADED

    def test_the_bytes_can_be_read_another_way(self, client_for, mia, org, uploaded):
        client = client_for(mia)
        answer = client.post(url("import_reading", uploaded), {"encoding": "cp1251", "delimiter": ";"})
        assert answer.status_code == 302
        assert the_import(org).encoding == "cp1251"
        assert "Jьrgen" in client.get(url("import_detail", uploaded)).content.decode()

    def test_a_reading_that_gives_no_titles_is_explained(self, client_for, mia, org, uploaded):
        page = client_for(mia).post(
            url("import_reading", uploaded), {"encoding": "nonsense", "delimiter": ";"}
        )
        assert page.status_code == 422
        assert the_import(org).encoding == "cp1252"


class TestRun:
    def test_a_small_file_is_imported_at_once(self, client_for, mia, org, uploaded):
        client = client_for(mia)
        answer = client.post(url("import_start", uploaded), CHOICES)
        assert answer["Location"] == url("import_detail", uploaded)
        item = the_import(org)
        assert (item.status, item.created, item.rejected) == (ImportStatus.COMPLETED, 1, 1)
        with org_context(org.pk):
            lead = Lead.objects.for_org(org).get()
            assert (lead.name, lead.company) == ("Jürgen Groß", "Groß GmbH")
            assert lead.lead_import_id == item.pk
        text = client.get(url("import_detail", uploaded)).content.decode()
        assert "Rows that were not taken" in text
        assert f"?lead_import={item.pk}" in text
        listed = reverse("leads:lead_list")
        assert "Jürgen Groß" in client.get(listed, {"lead_import": str(item.pk)}).content.decode()
        assert b"No lead matches" in client.get(listed, {"lead_import": str(org.pk)}).content
        assert "Jürgen Groß" in client.get(listed, {"lead_import": "nonsense"}).content.decode()
        assert "hx-trigger" not in text.split('id="import"')[1].split(">")[0]

    def test_starting_twice_imports_once(self, client_for, mia, org, uploaded):
        client = client_for(mia)
        for _ in range(2):
            assert client.post(url("import_start", uploaded), CHOICES).status_code == 302
        assert the_import(org).created == 1
        assert the_import(org).attempts == 1

    def test_a_large_file_shows_its_progress(self, client_for, mia, org, uploaded, monkeypatch):
        monkeypatch.setattr(imports, "AT_ONCE", 0)
        client = client_for(mia)
        client.post(url("import_start", uploaded), CHOICES)
        page = client.get(url("import_detail", uploaded), headers={"HX-Request": "true"})
        assert b'hx-trigger="every 1s"' in page.content
        assert b"<html" not in page.content
        import_run.run(org_id=org.pk, import_id=uploaded.pk)
        assert b'hx-trigger="every 1s"' not in client.get(url("import_detail", uploaded)).content

    def test_the_list_of_problems_is_harmless_in_a_spreadsheet(self, client_for, mia, org):
        with org_context(org.pk):
            item = imports.upload(
                org=org,
                by=mia,
                file_name="x.csv",
                file=io.BytesIO(b"name,email\nAda,=HYPERLINK(1)\nBob,@cmd\n"),
            )
            imports.start(lead_import=item, mapping=item.mapping, update_existing=True, by=mia)
        answer = client_for(mia).get(url("import_problems", item))
        assert answer["Content-Type"].startswith("text/csv")
        assert answer["Content-Disposition"] == 'attachment; filename="x-problems.csv"'
        text = answer.content.decode("utf-8-sig")
        assert text.splitlines()[0] == "row,outcome,field,value,message"
        assert "'=HYPERLINK(1)" in text
        assert ",'@cmd," in text

    def test_a_wide_table_can_be_mapped(self, client_for, mia, org):
        titles = ",".join(["name", "email", *(f"c{i}" for i in range(198))])
        values = ",".join(["Ada Lovelace", "ada@engine.example", *("v" * 198)])
        client = client_for(mia)
        answer = client.post(reverse("leads:import_create"), {"file": csv_file(f"{titles}\n{values}\n")})
        assert client.get(answer["Location"]).status_code == 200
        item = the_import(org)
        assert len(item.mapping) == 200
        choices = {"column-0": "name", "column-1": "email", "update_existing": "1"}
        client.post(url("import_start", item), choices | {f"column-{i}": "custom" for i in range(2, 200)})
        with org_context(org.pk):
            assert Lead.objects.for_org(org).get().custom_fields["c197"] == "v"


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("import_detail", "get"),
        ("import_preview", "post"),
        ("import_reading", "post"),
        ("import_start", "post"),
        ("import_problems", "get"),
    ],
)
class TestAccess:
    def test_strangers_get_404(self, client_for, charlie, other_org, uploaded, name, method):
        assert getattr(client_for(charlie), method)(url(name, uploaded), CHOICES).status_code == 404

    def test_the_wrong_method_gets_405(self, client_for, alice, uploaded, name, method):
        other = "post" if method == "get" else "get"
        assert getattr(client_for(alice), other)(url(name, uploaded)).status_code == 405

    def test_viewers_may_look_but_not_act(self, client_for, bob, org, uploaded, name, method):
        answer = getattr(client_for(bob), method)(url(name, uploaded), CHOICES)
        assert answer.status_code == (200 if method == "get" else 403)
        assert the_import(org).status == ImportStatus.UPLOADED
