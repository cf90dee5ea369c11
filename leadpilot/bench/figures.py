"""What a measurement says: lines of name, value and unit."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        digits = 3 if abs(self.value) < 100 else 0
        return f"{self.name} {self.value:.{digits}f} {self.unit}"


@dataclass(frozen=True)
class Took:
    """Seconds that some work took, by the wall and by this process's processor."""

    wall: float
    cpu: float
    count: int

    @property
    def rate(self) -> float:
        """Pieces a second."""
        return self.count / self.wall

    @property
    def each(self) -> float:
        """Milliseconds a piece, by the wall."""
        return 1000 * self.wall / self.count

    @property
    def cpu_each(self) -> float:
        """Milliseconds of processor a piece."""
        return 1000 * self.cpu / self.count


def timed(count: int, work: Callable[[], object]) -> Took:
    """Do something once and say how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - cpu, count)


def median(values: list[float]) -> float:
    """The middle one: rounds on a busy machine differ."""
    return statistics.median(values)


def load() -> Figure:
    """How busy the machine was in the last minute; with more than its processors, figures are low."""
    return Figure("load", os.getloadavg()[0], f"of_{os.cpu_count()}")
