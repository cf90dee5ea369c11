"""Processes that we started: recognised by id and start time, so that a reused id is never taken for ours."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True)
class Process:
    """One process; where there is no /proc, `started` is empty and only the id counts."""

    pid: int
    started: str
    parent: int
    group: int

    @classmethod
    def find(cls, pid: int) -> Process | None:
        """The live process with this id, or None."""
        fields = _stat(pid)
        if fields:
            return None if fields[0] == "Z" else cls(pid, fields[19], int(fields[1]), int(fields[2]))
        if _PROC.joinpath("self", "stat").exists():
            return None
        try:
            return cls(pid, "", 0, os.getpgid(pid))
        except ProcessLookupError:
            return None

    def alive(self) -> bool:
        """Whether it, and not a successor with the same id, still runs."""
        now = Process.find(self.pid)
        return now is not None and now.started == self.started

    def ancestor_under(self, pid: int) -> Process | None:
        """The one among its parents, or itself, that process `pid` started; None when it did not start any."""
        seen: Process | None = self
        while seen is not None and seen.parent != pid:
            seen = Process.find(seen.parent) if seen.parent > 1 else None
        return seen

    def group_memory(self) -> int:
        """Resident bytes of its whole process group (shared pages counted in each); 0 where that is unknown."""
        pages = 0
        for entry in _PROC.glob("[0-9]*/stat"):
            fields = _stat(int(entry.parent.name))
            if fields and int(fields[2]) == self.group:
                pages += int(fields[21])
        return pages * _PAGE

    def kill(self, *, group: bool = False) -> None:
        """SIGKILL it, or with `group` its process group unless that is our own."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if group and self.group not in (0, os.getpgrp()):
                os.killpg(self.group, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; the second may hold spaces and brackets."""
    try:
        return _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
