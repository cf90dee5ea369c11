"""The first minutes of `make run`: pip at work, not silent and not loud."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from leadpilot.run import install

NAME = "leadpilot_test_thing"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package of one line."""
    path = tmp_path / f"{NAME}-1.0-py3-none-any.whl"
    info = f"{NAME}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{NAME}.py", "HERE = True\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_it_installs_and_says_how_much(wheel: Path) -> None:
    out, target = StringIO(), wheel.parent / "site"
    assert install.main(["--no-index", "--no-deps", "--target", str(target), str(wheel)], out) == 0
    assert (target / f"{NAME}.py").read_text() == "HERE = True\n"
    done = out.getvalue().splitlines()[-1]
    assert done.startswith("  Done in ")
    assert done.endswith("packages looked at: 1.")


def test_when_pip_gives_up_its_reason_is_shown_and_its_code_returned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = StringIO()
    assert install.main(["--no-index", "leadpilot-no-such-package==1.0"], out) != 0
    assert "No matching distribution found for leadpilot-no-such-package" in capsys.readouterr().err
    assert "Done" not in out.getvalue()


def test_it_needs_nothing_that_is_not_installed_yet(wheel: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import leadpilot.run.install;"
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'psycopg', 'environ', 'structlog')])"
    )
    root = Path(install.__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(root)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_changes_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "EVERY_STATE", 0.01)
    screen = Terminal()
    progress = install.Progress(screen)

    def words() -> Iterator[str]:
        yield "Collecting django-htmx>=5.2\n"
        yield "Processing /somewhere/idna-3.20-py3-none-any.whl\n"
        while "package 2: idna" not in screen.getvalue():  # ends: the line is told every 10 ms
            yield "  Downloading\n"
        yield "Installing collected packages: idna, django\n"
        while "putting 2 packages in place" not in screen.getvalue():
            yield "\n"

    progress.follow(words())
    progress.finish()
    assert "\n" not in screen.getvalue()
    assert screen.getvalue().endswith("\r\033[K")
