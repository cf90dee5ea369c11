"""The sandbox's Maildirs, with a second reader at work and with names that are no addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from campaigns import maildir


@pytest.fixture
def box(tmp_path: Path, settings: Any) -> Path:
    settings.SANDBOX = {**settings.SANDBOX, "enabled": True, "home": tmp_path}
    new = tmp_path / "mail" / "alex@northbeam.example" / "new"
    new.mkdir(parents=True)
    for name, text in (("2.b.host", "second"), ("1.a.host:2,", "first"), ("3.c.host", "third")):
        (new / name).write_text(text)
    return new.parent


def test_mails_come_oldest_first_under_names_without_flags(box: Path) -> None:
    found = list(maildir.unread(" Alex@Northbeam.example "))
    assert [(name, raw) for name, _, raw in found] == [
        ("1.a.host", b"first"),
        ("2.b.host", b"second"),
        ("3.c.host", b"third"),
    ]


def test_what_another_reader_took_meanwhile_is_passed_over(box: Path) -> None:
    mails = maildir.unread("alex@northbeam.example")
    _, first, _ = next(mails)
    (box / "new" / "2.b.host").unlink()
    assert [raw for _, _, raw in mails] == [b"third"]
    maildir.mark_read(first)
    assert (box / "cur" / "1.a.host:2,S").read_text() == "first"
    maildir.mark_read(first)  # moved already: nothing to do
    assert [path.name for path in (box / "cur").iterdir()] == ["1.a.host:2,S"]


def test_an_enormous_mail_is_read_up_to_the_bound(box: Path) -> None:
    (box / "new" / "0.big").write_bytes(b"x" * (maildir.MOST_BYTES + 1000))
    assert len(next(maildir.unread("alex@northbeam.example"))[2]) == maildir.MOST_BYTES


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "../../etc@x.example", "a/b@x.example", "a@b", ".@x.example", "a@" + "b" * 200 + ".de"],
)
def test_what_is_no_address_names_no_directory(box: Path, address: str) -> None:
    with pytest.raises(maildir.NoMaildir, match="not an address of the sandbox"):
        maildir.maildir_of(address)


def test_without_a_sandbox_nothing_is_read(box: Path, settings: Any) -> None:
    settings.SANDBOX = {**settings.SANDBOX, "enabled": False}
    with pytest.raises(maildir.NoMaildir, match="not running here"):
        next(maildir.unread("alex@northbeam.example"))
