import pytest

from leadpilot.sandbox.journal import Journal
from leadpilot.sandbox.maildir import BadAddress, deliver, maildir_of, mails


def test_lines_are_read_back_in_order(tmp_path):
    journal = Journal(tmp_path / "deep" / "log.jsonl")
    assert journal.read() == []
    journal.add(a=1)
    journal.add(b="ü\n")
    assert journal.read() == [{"a": 1}, {"b": "ü\n"}]


def test_a_line_cut_short_by_a_crash_is_ignored_and_closed_off(tmp_path):
    journal = Journal(tmp_path / "log.jsonl")
    journal.add(a=1)
    with journal.path.open("ab") as file:
        file.write(b'{"half": ')
    journal.add(b=2)
    assert journal.read() == [{"a": 1}, {"b": 2}]


def test_a_mail_is_delivered_once_whether_read_or_not(tmp_path):
    first = deliver(tmp_path, "A@b.example", "1.x", b"one")
    assert first == tmp_path / "mail" / "a@b.example" / "new" / "1.x"
    assert deliver(tmp_path, "a@b.example", "1.x", b"two").read_bytes() == b"one"
    first.rename(first.parent.parent / "cur" / "1.x:2,S")
    deliver(tmp_path, "a@b.example", "1.x", b"three")
    assert [path.read_bytes() for path in mails(tmp_path, "a@b.example")] == [b"one"]
    assert list((tmp_path / "mail" / "a@b.example" / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "address", ["", "a", "@b.example", "a/b@c.example", "../x@c.example", ".@c.example", "a@b\n.c"]
)
def test_what_could_leave_the_directory_is_no_address(tmp_path, address):
    with pytest.raises(BadAddress):
        maildir_of(tmp_path, address)
