"""`python -m leadpilot.run.install -r requirements.txt`: pip, saying what it does while it does it.

Runs before anything is installed, so it stands on the standard library alone. pip itself says nothing for minutes
when it is quiet, and hundreds of lines when it is not.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from typing import TextIO

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-compile"]
SHOWN_OF_A_FAILURE = 20  # lines
EVERY_LINE, EVERY_STATE = 10.0, 0.5  # seconds between two reports, in a file and on a terminal


class Progress:
    """What pip is at, told every few seconds: in one line that changes on a terminal, else line by line."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.state = "asking for the list of packages"
        self.found = 0
        self.lines: list[str] = []
        self._began = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)
        self._thread.start()

    def follow(self, lines: Iterable[str]) -> None:
        """Read pip's words to their end."""
        for line in lines:
            self.lines.append(line.rstrip())
            words = line.split()
            if words[:1] in (["Collecting"], ["Processing"]):
                self.found += 1
                name = re.match(r"\w*(?:[.-][A-Za-z]\w*)*", words[1].rsplit("/", 1)[-1])
                self.state = f"getting package {self.found}: {name[0] if name else ''}"
            elif line.startswith("Installing collected packages"):
                self.state = f"putting {line.count(',') + 1} packages in place"

    def finish(self) -> float:
        """Stop reporting; returns the seconds it took."""
        self._done.set()
        self._thread.join()
        if self.out.isatty():
            self._write("\r\033[K")
        return time.monotonic() - self._began

    def _report(self) -> None:
        on_terminal = self.out.isatty()
        while not self._done.wait(EVERY_STATE if on_terminal else EVERY_LINE):
            text = f"  {time.monotonic() - self._began:.0f} s, {self.state}"[:78]
            self._write(f"\r\033[K{text}" if on_terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def main(arguments: list[str], out: TextIO = sys.stdout) -> int:
    """Install; returns pip's exit code, after the end of what it said when that is not 0."""
    progress = Progress(out)
    with subprocess.Popen(
        [*PIP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        progress.follow(pip.stdout or ())
    seconds = progress.finish()
    if pip.returncode:
        print(*progress.lines[-SHOWN_OF_A_FAILURE:], sep="\n", file=sys.stderr)
    else:
        print(f"  Done in {seconds:.0f} s; packages looked at: {progress.found}.", file=out)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
