"""One installation of several that are hurt side by side: `python -m leadpilot.trust.engine.bay`.

Asked by one line of JSON on its standard input, it answers with one line on its standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leadpilot.postgres import Urls
from leadpilot.trust.control import ROOT

ANSWER = "answer "


def spawn(asked: dict[str, Any], log: Path, template: Urls) -> subprocess.Popen[str]:
    """Start a bay on copies of this template."""
    urls = {"app": template.app, "owner": template.owner, "system": template.system}
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "leadpilot.trust.engine.bay"],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "leadpilot.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps({**asked, "urls": urls}) + "\n")
    process.stdin.flush()
    return process


def answers(processes: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """What the bays found, as soon as all are done; one that died without an answer is missing."""
    found = []
    for process in processes:
        said, _ = process.communicate()
        lines = [line.removeprefix(ANSWER) for line in said.splitlines() if line.startswith(ANSWER)]
        found += [json.loads(line) for line in lines]
    return found


def main() -> None:
    """Play what is asked."""
    import django

    django.setup()
    # The models are there only now.
    from leadpilot.trust.engine import kills
    from leadpilot.trust.engine.figures import Figures
    from leadpilot.trust.engine.stage import Stage

    asked = json.loads(sys.stdin.readline())
    stage = Stage(Path(asked["folder"]), Urls(**asked["urls"]), Figures(sys.stderr), asked["pace"])
    found = kills.play_one(stage, name=asked["name"], victims=asked["victims"], seed=asked["seed"])
    sys.stdout.write(ANSWER + json.dumps(kills.as_json(found)) + "\n")


if __name__ == "__main__":
    main()
