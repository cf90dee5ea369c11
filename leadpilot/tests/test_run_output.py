"""What reaches the screen of whoever runs `make run`, and what only the file under var/log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from leadpilot.run.output import Log

PROGRAM = """
import logging.config
from leadpilot.lib.logs import configure
logging.config.dictConfig(configure(json=False, level="info"))
request = logging.getLogger("django.request")
request.warning("Not Found: /nowhere", extra={"status_code": 404})
request.error("Internal Server Error: /broken", extra={"status_code": 500})
logging.getLogger("campaigns").info("a mail has left")
logging.getLogger("campaigns").warning("Not Found: /a-warning-of-our-own")
"""


def test_mistyped_addresses_go_to_the_file_and_the_rest_to_the_screen_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    Log(tmp_path, "web").follow(written.stderr.splitlines(keepends=True))
    file, screen = (tmp_path / "web.log").read_text(), capsys.readouterr().out
    for text in ("/nowhere", "/broken", "a mail has left", "/a-warning-of-our-own"):
        assert text in file
        assert (text in screen) == (text != "/nowhere")


def test_bytes_that_are_no_text_and_empty_lines_do_no_harm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Log(tmp_path, "web").follow([b"\xff\xfe broken\n", b"\n", b"whole\n"])
    assert [line[:9] for line in capsys.readouterr().out.splitlines()] == ["web      ", "web      "]
