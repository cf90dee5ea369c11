import re
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from leads.importing import xlsxfile
from leads.importing.problems import Unreadable
from leads.importing.source import open_source


@pytest.fixture
def book(tmp_path):
    def make(rows, *, sheets=(), name="a.xlsx"):
        workbook = Workbook()
        sheet = workbook.active
        for row in rows:
            sheet.append(row)
        for title, more in sheets:
            extra = workbook.create_sheet(title)
            for row in more:
                extra.append(row)
        path = tmp_path / name
        workbook.save(path)
        return path

    return make


def tampered(path, part, content):
    """The same workbook with one part put in another's place."""
    target = path.with_name("tampered.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            new.writestr(item.filename, content if item.filename == part else old.read(item.filename))
    return target


def test_cells_of_every_kind_become_text(book):
    path = book(
        [
            ["Name", "Email", "Phone", "Since", "Seen", "Ratio", "Flag", "Bad"],
            [
                "Ada",
                "a@b.co",
                491234567890,
                date(2024, 5, 1),
                datetime(2024, 5, 1, 13, 30),
                1.5,
                True,
                "#N/A",
            ],
        ]
    )
    source = open_source(path)
    (record,) = source.rows()
    assert record.cells == ["Ada", "a@b.co", "491234567890", "2024-05-01", "2024-05-01 13:30", "1.5", "true"]
    assert source.mapping["Phone"] == "phone"


def test_rows_are_numbered_as_the_spreadsheet_shows_them(book):
    path = book([["Contacts"], [], ["Name", "E-Mail"], ["Ada", "a@b.co"], [], ["Bo", "b@b.co"]])
    assert [record.number for record in open_source(path).rows()] == [4, 6]


def test_the_first_sheet_with_titles_is_taken(book):
    path = book([], sheets=[("Leads", [["name", "email"], ["Ada", "a@b.co"]])])
    source = open_source(path)
    assert source.sheet == "Leads"
    assert source.count() == 1


def test_a_large_sheet_is_believed_about_its_size_but_not_below_what_was_read(book, monkeypatch):
    monkeypatch.setattr("leads.importing.source.COUNTED_ROWS", 10)
    path = book([["name", "email"], *([f"Ada {i}", f"a{i}@b.co"] for i in range(30))])
    assert open_source(path).count() == 30
    part = "xl/worksheets/sheet1.xml"
    lying = re.sub(rb'ref="[^"]*"', b'ref="A1:B2"', zipfile.ZipFile(path).read(part))
    source = open_source(tampered(path, part, lying))
    assert source.count() == 10
    assert len(list(source.rows())) == 30


def test_a_formula_that_was_never_computed_is_empty_not_its_text(book):
    path = book([["name", "email"], ["Ada", '="a"&"@b.co"']])
    (record,) = open_source(path).rows()
    assert record.cells == ["Ada"]


def test_a_bomb_is_refused_before_it_is_unpacked(book):
    path = tampered(book([["name", "email"]]), "xl/worksheets/sheet1.xml", b"0" * 50_000_000)
    assert path.stat().st_size < 200_000
    with pytest.raises(Unreadable, match="zip bomb"):
        open_source(path)


def test_what_would_be_kept_in_memory_is_limited_whatever_its_name(book, monkeypatch):
    monkeypatch.setattr(xlsxfile, "MAX_IN_MEMORY", 5000)
    path = book([["name", "email"], *([f"Ada {i}", f"a{i}@b.co"] for i in range(200))])
    with pytest.raises(Unreadable, match="too much text"):
        open_source(path)  # the theme has 10,000 bytes
    monkeypatch.setattr(xlsxfile, "MAX_IN_MEMORY", 12_000)
    assert open_source(path).count() == 200  # the sheet has more, but is read as a stream
    types = zipfile.ZipFile(path).read("[Content_Types].xml").decode()
    both = '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/x-sharedStrings+xml"/></Types>'
    with pytest.raises(Unreadable, match="too much text"):
        open_source(tampered(path, "[Content_Types].xml", types.replace("</Types>", both)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(book, encoding):
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><sst>&a;</sst>'.encode(encoding)
    with pytest.raises(Unreadable, match="entities"):
        open_source(tampered(book([["name", "email"]]), "xl/workbook.xml", bomb))


def test_a_damaged_workbook_is_explained(book, tmp_path):
    whole = book([["name", "email"], ["Ada", "a@b.co"]]).read_bytes()
    for cut in (30, len(whole) // 2, len(whole) - 10):
        path = tmp_path / "cut.xlsx"
        path.write_bytes(whole[:cut])
        with pytest.raises(Unreadable, match="damaged"):
            open_source(path)


def test_a_sheet_that_is_not_xml_is_explained(book):
    path = tampered(book([["name", "email"]]), "xl/worksheets/sheet1.xml", b"nonsense")
    with pytest.raises(Unreadable, match="damaged"):
        open_source(path)


def test_a_sheet_that_breaks_off_is_explained_when_it_is_reached(book):
    path = book([["name", "email"], *([f"Ada {i}", f"a{i}@b.co"] for i in range(20_000))])
    sheet = zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml")
    source = open_source(tampered(path, "xl/worksheets/sheet1.xml", sheet[: len(sheet) // 2]))
    with pytest.raises(Unreadable, match="damaged"):
        list(source.rows())


def test_other_archives_are_named(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("leads.csv", "name,email\n")
    with pytest.raises(Unreadable, match="zip archive"):
        open_source(path)
    path = tmp_path / "a.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(Unreadable, match="OpenDocument"):
        open_source(path)


def test_an_empty_workbook_is_explained(book):
    with pytest.raises(Unreadable, match="has no rows"):
        open_source(book([]))
