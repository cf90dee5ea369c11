import csv
import io
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leads.importing.csvfile import DELIMITERS, records
from leads.importing.export import csv_lines, safe_cell
from leads.importing.problems import Unreadable
from leads.importing.records import MAX_COLUMNS
from leads.importing.source import open_source


@pytest.fixture
def table(tmp_path):
    def make(text):
        path = tmp_path / "a.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def rows(path):
    return [
        (r.number, r.cells if r.problem is None else r.problem.message[:20]) for r in open_source(path).rows()
    ]


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_the_delimiter_is_found(table, delimiter):
    text = (
        delimiter.join(["Name", "E-Mail", "Firma"])
        + "\n"
        + delimiter.join(['"L, A; B|C"', "a@b.co", "F, G"])
        + "\n"
    )
    if delimiter == ",":
        text = text.replace("F, G", '"F, G"')
    source = open_source(table(text))
    assert source.delimiter == delimiter
    assert [r.cells for r in source.rows()] == [["L, A; B|C", "a@b.co", "F, G"]]


def test_excels_own_hint_is_followed_and_not_counted(table):
    path = table("sep=;\nName;Email\nA, B;a@b.co\n")
    assert rows(path) == [(2, ["A, B", "a@b.co"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end(table, end):
    assert rows(table(f"name,email{end}Ada,a@b.co{end}Bo,b@b.co")) == [
        (2, ["Ada", "a@b.co"]),
        (3, ["Bo", "b@b.co"]),
    ]


def test_titles_may_stand_below_a_heading(table):
    source = open_source(table("My export\n\nName,E-Mail\nAda,a@b.co\n"))
    assert source.header_row == 3
    assert [r.number for r in source.rows()] == [4]


def test_line_breaks_inside_quotation_marks_make_one_row(table):
    path = table('name,email,note\n"Ada\nL",a@b.co,"x, y\nz"\nBo,b@b.co,\n')
    assert rows(path) == [(2, ["Ada\nL", "a@b.co", "x, y\nz"]), (3, ["Bo", "b@b.co", ""])]


def test_zeros_are_taken_out(table):
    assert rows(table(b"name,email\nA\x00da,a@b.co\n\x00\n")) == [(2, ["Ada", "a@b.co"])]


@pytest.mark.parametrize(
    "broken",
    [
        'Ada,a@b.co,"x\nBo,b@b.co,y\n',  # to the end of the file
        'Ada,"a@b.co,x\nBo,b@b.co,y\nCy,"c@b.co,z\n',  # another one closes it later
        '"Ada,a@b.co,x\nBo,b@b.co,y\n' + "Di,d@b.co,z\n" * 500,  # far too many lines
    ],
)
def test_an_open_quotation_mark_costs_its_own_row_only(table, broken):
    found = rows(table("name,email,company\n" + broken))
    assert found[0] == (2, 'A quotation mark (")')
    assert (3, ["Bo", "b@b.co", "y"]) in found
    assert [number for number, _ in found] == list(range(2, 2 + len(found)))


def test_stray_quotation_marks_inside_a_value_are_text(table):
    assert rows(table('name,email\nAda "The" L,a@b.co\n"Bo "x" B",b@b.co\n'))[0] == (
        2,
        ['Ada "The" L', "a@b.co"],
    )


def test_an_endless_line_is_rejected_and_the_next_one_read(table):
    path = table("name,email\n" + "x" * 50_000_000 + "\nAda,a@b.co\n")
    tracemalloc.start()
    found = rows(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [(2, "This line is longer "), (3, ["Ada", "a@b.co"])]
    assert peak < 60_000_000


def test_too_many_values_in_a_row_are_rejected(table):
    path = table("name,email\n" + "," * MAX_COLUMNS + "\nAda,a@b.co\n")
    assert rows(path)[0] == (2, "This row has 501 val")


def test_too_many_columns_are_refused(table):
    with pytest.raises(Unreadable, match="more than 500 columns"):
        open_source(table(",".join(f"c{i}" for i in range(501)) + "\n"))


def test_many_open_marks_do_not_take_for_ever(table):
    path = table("name,email\n" + '"x,y\n\'""z' * 20_000)
    start = time.monotonic()
    list(records(path, "utf-8", ",", width=2))
    assert time.monotonic() - start < 20


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8),
            min_size=3,
            max_size=3,
        ),
        max_size=6,
    )
)
def test_what_a_csv_writer_wrote_is_read_back(tmp_path_factory, table_rows):
    path = tmp_path_factory.mktemp("h") / "a.csv"
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["name", "email", "x"], *table_rows])
    path.write_bytes(out.getvalue().encode())
    assert [r.cells for r in records(path, "utf-8", ",", width=3)][1:] == table_rows


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("h") / "a.csv"
    path.write_bytes(data)
    try:
        numbers = [record.number for record in open_source(path).rows()]
    except Unreadable as error:
        numbers = [len(str(error))]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", " =1", "＝1"])
def test_a_formula_is_made_text_on_export(cell):
    assert safe_cell(cell) == f"'{cell}"


def test_ordinary_cells_stay_as_they_are():
    assert [safe_cell(c) for c in ("Ada", "a=b", 3, None)] == ["Ada", "a=b", "3", ""]
    assert "".join(csv_lines(["a"], [["x,y"]])) == '\ufeffa\r\n"x,y"\r\n'
