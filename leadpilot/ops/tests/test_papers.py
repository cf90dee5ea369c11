"""What the operator's papers name exists: commands, settings, figures, files, links."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

from django.core.management import get_commands

from leadpilot.ops import counts

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs/OPERATING.md").read_text()


def test_every_command_is_there() -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", GUIDE))
    assert {"backup", "restore", "sent_checks", "rotate_keys"} <= named <= set(get_commands())


def test_every_figure_is_scraped() -> None:
    named = set(re.findall(r"leadpilot_[a-z_]+", GUIDE))
    assert len(named) > 6
    assert named <= {family.name for family in counts.FAMILIES.values()}


def test_every_setting_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)\b", GUIDE))
    assert {"METRICS_TOKEN", "ENCRYPTION_KEYS"} <= named
    assert [name for name in named if f"# {name}=" not in example] == []


def test_every_link_leads_somewhere() -> None:
    for paper in ("README.md", "docs/OPERATING.md"):
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / paper).read_text()):
            assert ((ROOT / paper).parent / link).exists(), f"{paper}: {link}"


def test_the_readme_stays_one_screen_and_leads_to_the_guide() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "docs/OPERATING.md" in readme
    assert len(readme.splitlines()) <= 45


def test_replit_runs_what_is_there() -> None:
    replit = tomllib.loads((ROOT / ".replit").read_text())
    makefile = (ROOT / "Makefile").read_text()
    for program, *words in (replit["run"], replit["deployment"]["build"], replit["deployment"]["run"]):
        assert program in ("make", "sh")
        if program == "make":
            assert f"\n{words[0]}:" in makefile
        else:
            assert os.access(ROOT / words[0], os.X_OK)
            subprocess.run(["sh", "-n", str(ROOT / words[0])], check=True)
    assert replit["ports"][0]["localPort"] == 8000


def test_the_image_has_postgresqls_programs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "-r requirements-postgres.txt" in dockerfile
    assert "--require-hashes" in dockerfile
