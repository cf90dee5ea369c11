import pytest

from leads.importing.columns import apply_overrides, field_for, guess_mapping, is_header, unique_titles
from leads.importing.problems import Unreadable
from leads.importing.source import open_source


@pytest.mark.parametrize(
    ("titles", "fields"),
    [
        (
            "First Name,Last Name,Email Address,Company Name,Job Title",
            "first_name,last_name,email,company,title",
        ),
        ("Vorname,Nachname,E-Mail-Adresse,Firma,Funktion", "first_name,last_name,email,company,title"),
        ("Prénom,Nom,Courriel,Société,Poste", "first_name,last_name,email,company,title"),
        ("Nombre,Apellidos,Correo electrónico,Empresa,Cargo", "first_name,last_name,email,company,title"),
        ("Name,E-mail 1 - Value,Organization Name,Phone 1 - Value", "name,email,company,phone"),
        ("Vollständiger Name,MAIL,UNTERNEHMEN,Ort", "name,email,company,location"),
        ("Nom,Adresse e-mail,Téléphone", "name,email,phone"),
        ("Vorname,Name,E-Mail", "first_name,last_name,email"),
        ("full_name,emailAddress,companyName,websiteUrl", "name,email,company,website_url"),
        ("姓名,电子邮件,公司", "name,email,company"),
        ("氏名,メールアドレス,会社名", "name,email,company"),
        ("Имя,Фамилия,Почта,Должность", "name,last_name,email,title"),
        ("Name,Email,Email,Phone,Mobile", "name,email,custom,phone,custom"),
        ("Name,Email,Favourite colour", "name,email,custom"),
    ],
)
def test_titles_are_understood(titles, fields):
    unique = unique_titles(titles.split(","))
    assert ",".join(guess_mapping(unique, []).values()) == fields


def test_an_address_column_is_found_by_what_stands_in_it():
    sample = [["Ada", "a@b.co"], ["Bo", "b@b.co"], ["Cy", ""]]
    assert guess_mapping(["Wer", "Wohin"], sample)["Wohin"] == "email"
    assert (
        "email" not in guess_mapping(["Wer", "Wohin"], [["Ada", "x"], ["Bo", "b@b.co"], ["Cy", "y"]]).values()
    )


def test_titles_become_keys():
    assert unique_titles(["Phone", " ", "Phone", "Phone"]) == ["Phone", "Column 2", "Phone (2)", "Phone (3)"]


def test_a_row_with_an_address_is_no_header():
    assert is_header(["name", "email"])
    assert not is_header(["name", "company"])
    assert not is_header(["email", "ada@engine.example"])


def test_a_field_given_by_hand_is_taken_from_where_it_was_guessed():
    guessed = {"Email": "email", "Private mail": "custom"}
    assert apply_overrides(guessed, {"Private mail": "email"}) == {"Email": "custom", "Private mail": "email"}


def test_unknown_titles_have_no_field():
    assert [field_for(title) for title in ("", "???", "shoe size")] == ["", "", ""]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \n \n", "no rows"),
        (b"Ada,ada@x.example\nBo,bo@x.example\n", "put a first row above it"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b'[{"name": "Ada"}]', "JSON"),
        (b"\xef\xbb\xbf<!DOCTYPE html><html>", "web page"),
        (bytes(range(256)) * 20, "not a text file"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, words):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=words):
        open_source(path)


def test_folders_and_missing_files_are_explained(tmp_path):
    with pytest.raises(Unreadable, match="folder"):
        open_source(tmp_path)
    with pytest.raises(Unreadable, match="There is no file"):
        open_source(tmp_path / "none.csv")
