import pytest

from leads.importing.encodings import CHOICES, MIXED, detect, guess
from leads.importing.source import open_source

WESTERN = ["José García,jose@x.es,Café Müller", "Zoë Strauß,zoe@x.de,Ökohaus GmbH"]
CENTRAL = ["Łukasz Żółć,l@x.pl,Książka Sp.", "Jiří Dvořák,j@x.cz,Škoda"]
RUSSIAN = ["Иван Петров,ivan@x.ru,Ромашка", "Анна Кузнецова,anna@x.ru,Заря"]
JAPANESE = ["田中太郎,tanaka@x.jp,株式会社サンプル", "鈴木花子,suzuki@x.jp,日本電気"]
TABLES = {
    "utf-8": [*WESTERN, *RUSSIAN, *JAPANESE, "😀 Smile,s@x.de,🙂"],
    "utf-8-sig": WESTERN,
    "utf-16": JAPANESE,
    "utf_16_le": WESTERN,
    "utf_16_be": WESTERN,
    "utf-32": RUSSIAN,
    "cp1252": WESTERN,
    "latin_1": ["José García,jose@x.es,Peña", "Jürgen Groß,j@x.de,Maß & Co"],
    "mac_roman": WESTERN,
    "cp1250": CENTRAL,
    "iso8859_2": CENTRAL,
    "cp1251": RUSSIAN,
    "koi8_r": RUSSIAN,
    "iso8859_5": RUSSIAN,
    "cp866": RUSSIAN,
    "cp1253": ["Γιώργος Παπαδόπουλος,g@x.gr,Ελλάδα", "Μαρία Νίκου,m@x.gr,Αθήνα"],
    "cp850": WESTERN,
    "shift_jis": JAPANESE,
    "euc_jp": JAPANESE,
    "iso2022_jp": JAPANESE,
    "gb18030": ["王小明,wang@x.cn,北京科技有限公司", "李娜,li@x.cn,上海贸易"],
    "big5": ["陳大文,chan@x.tw,台灣科技股份有限公司", "林美麗,lin@x.tw,高雄電子"],
    "euc_kr": ["김철수,kim@x.kr,삼성전자", "이영희,lee@x.kr,현대자동차"],
}


def read(path):
    return path.read_bytes().decode(detect(path), MIXED)


@pytest.mark.parametrize("encoding", TABLES)
def test_every_letter_arrives(tmp_path, encoding):
    text = "name,email,company\r\n" + "\r\n".join(TABLES[encoding]) + "\r\n"
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    assert read(path) == text
    names = [record.cells[0] for record in open_source(path).rows()]
    assert names == [line.split(",")[0] for line in TABLES[encoding]]


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("cp1252", "Zoë,z@x.de"),
        ("mac_roman", "Zoë,z@x.de"),
        ("koi8_r", "Анна,a@x.ru"),
        ("shift_jis", "田中太郎,t@x.jp"),
        ("gb18030", "王小明,w@x.cn"),
        ("big5", "陳大文,c@x.tw"),
    ],
)
def test_one_name_among_plain_ones_is_enough(tmp_path, encoding, line):
    text = "name,email\n" + "Bob,b@x.de\n" * 500 + line
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    assert read(path) == text


def test_lines_of_windows_pasted_into_utf8_are_repaired(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("name,email\nJosé,a@b.co\nZoë,c@d.de\n".encode() + "Jürgen,d@e.fr\n".encode("cp1252"))
    assert read(path) == "name,email\nJosé,a@b.co\nZoë,c@d.de\nJürgen,d@e.fr\n"


def test_a_character_cut_by_the_reading_block_is_whole(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"x" * ((1 << 20) - 1) + "é\n".encode())
    assert detect(path) == "utf-8"
    assert read(path).endswith("xé\n")


def test_bytes_that_no_table_knows_are_still_read():
    assert guess(bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D, 0xFF])) in (
        "latin_1",
        "mac_roman",
        "cp866",
        "koi8_r",
        "cp850",
    )


@pytest.mark.parametrize("name", CHOICES)
def test_every_encoding_offered_can_be_read_with(tmp_path, name):
    path = tmp_path / "leads.csv"
    path.write_text("name,email\nAda,ada@engine.example\n", encoding=name)
    source = open_source(path, encoding=name)
    assert source.titles == ["name", "email"]
    assert source.count() == 1


def test_a_byte_order_mark_is_no_part_of_the_first_title_when_utf_8_is_chosen_by_hand(tmp_path):
    path = tmp_path / "leads.csv"
    path.write_text("name,email\nAda,ada@engine.example\n", encoding="utf-8-sig")
    assert open_source(path, encoding="utf-8").titles == ["name", "email"]
