"""Becomes another program that ends when its supervisor does: `python -m leadpilot.run.child SUPERVISOR_PID
COMMAND…`.

A process of its own, because code between fork and exec is not safe in a program with threads. Where there is
no PR_SET_PDEATHSIG (macOS) the program is simply run; the next start finds what was left over.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(supervisor: str, *command: str) -> None:
    """Ask the kernel for SIGTERM at the supervisor's death, then turn into the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(supervisor):  # it died before we asked
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the supervisor wrote the command


if __name__ == "__main__":
    main(*sys.argv[1:])
