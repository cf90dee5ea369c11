"""What a campaign found, as `name value unit` lines; a broken promise with the message's history."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leadpilot.trust import checker
from leadpilot.trust.testimony import Broken, Evidence
from leadpilot.trust.world import World

SETTLED = 99.5  # %, of what was unknown, where Sent is kept
STRUCK = 0.9  # of the faults that were asked for; with fewer, nothing was proved

Figures = list[tuple[str, Any, str]]


@dataclass
class Outcome:
    """What a campaign found; `short` says what it did not reach though no promise was broken."""

    figures: Figures
    broken: list[Broken]
    histories: dict[str, list[str]] = field(default_factory=dict)
    short: list[str] = field(default_factory=list)


def figures_of(there: World, found: Evidence, broken: list[Broken]) -> Figures:
    """What is counted in the rows, the oracle's log and the record of faults."""
    counts = checker.count(broken)
    unknown = [row for row in found.rows if row.was_unknown]
    settled = [row for row in unknown if row.status != "unknown"]
    waits = sorted(there.injector.recoveries) or [0.0]
    median = waits[len(waits) // 2]
    p99 = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    return [
        ("faults", there.injector.struck, "faults"),
        ("acts", there.people.done, "acts"),
        ("messages", len(found.rows), "messages"),
        ("accepted", len(found.accepted), "messages"),
        *((name, number, "messages") for name, number in counts.items()),
        ("unknown", len(unknown), "messages"),
        ("unknown_settled", round(100 * len(settled) / len(unknown), 2) if unknown else 100.0, "%"),
        ("not_sent", sum(row.status == "not_sent" for row in found.rows), "messages"),
        ("recovery_p50", round(median, 1), "s"),
        ("recovery_p99", round(p99, 1), "s"),
        ("recovery_max", round(waits[-1], 1), "s"),
        ("still_ill", there.injector.still_ill(), "clusters"),
    ]


def shortcomings(figures: Figures, *, asked: int, settles: bool) -> list[str]:
    """Why a campaign proves too little, each in a sentence; none when it proves what it should."""
    known = {name: value for name, value, _ in figures}
    found = []
    struck = known["faults"] - known["missed"]  # what was made up for says nothing about the plan
    if struck < STRUCK * asked:
        found.append(f"Only {struck} of {asked} faults struck as they were planned.")
    if known["faults"] < asked:
        found.append(f"Only {known['faults']} of {asked} faults struck.")
    if settles and known["unknown_settled"] < SETTLED:
        found.append(f"Only {known['unknown_settled']} % of what was unknown was settled.")
    if known["still_ill"]:
        found.append(f"{known['still_ill']} clusters that were hurt have not worked since.")
    if known["offences"]:
        found.append(f"The oracle was spoken to wrongly {known['offences']} times: see offences.jsonl.")
    return found


def report(outcome: Outcome, folder: Path) -> list[str]:
    """`name value unit` lines; then each broken promise with the message's history."""
    lines = [f"{name} {value} {unit}".strip() for name, value, unit in outcome.figures]
    for one in outcome.broken[:50]:
        lines.append(f"BROKEN {one.promise}: {one.message_id} {one.said}")
        lines += [f"    {line}" for line in outcome.histories.get(one.message_id, [])]
    lines += [f"SHORT {text}" for text in outcome.short]
    (folder / "report.txt").write_text("\n".join(lines) + "\n")
    (folder / "figures.json").write_text(json.dumps({name: value for name, value, _ in outcome.figures}))
    return lines
