"""What a campaign found: `name value unit` lines, and which promises do not hold."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TextIO


@dataclass
class Figures:
    """Prints each figure as it is known; `broken` are the sentences of the promises that do not hold."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    values: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def say(self, name: str, value: float, unit: str) -> None:
        """A figure without a promise."""
        self.values[name] = value
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        self.out.write(f"{name} {shown} {unit}\n")
        self.out.flush()

    def exactly(self, name: str, value: float, unit: str, promised: float) -> None:
        """A figure that has to be this."""
        self.say(name, value, unit)
        if value != promised:
            self.broken.append(f"{name} is {value:g}, not {promised:g}")

    def at_most(self, name: str, value: float, unit: str, promised: float) -> None:
        """A figure that may not be above this."""
        self.say(name, value, unit)
        if value > promised:
            self.broken.append(f"{name} is {value:.2f}, more than {promised:g} {unit}")

    def note(self, text: str) -> None:
        """A remark between the figures."""
        self.out.write(f"# {text}\n")
        self.out.flush()


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile of values; 0 when there are none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[min(len(ordered), int(rank)) - 1]
