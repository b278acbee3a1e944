"""Rounds, medians, ratios and their spread."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.table import Table

OTHER = "CTranslate2"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the table.

    ours, theirs: a value a round; rounds are pairs, one after the other. `theirs` is empty where there is no other
    side. other: who that is. goal: what the ratio ours / theirs, or our value where there is none, should be.
    """

    workload: str
    what: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...] = ()
    other: str = OTHER
    goal: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        """ours / theirs, round by round; none where both count what should not be, or theirs is zero."""
        if self.goal == "0" or not all(self.theirs):
            return []
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=bool(self.theirs))]

    def to_json(self) -> dict[str, Any]:
        ratios = self.ratios
        return {
            "workload": self.workload,
            "what": self.what,
            "unit": self.unit,
            "other": self.other if self.theirs else None,
            "ours": {"median": statistics.median(self.ours), "rounds": self.ours},
            "theirs": {"median": statistics.median(self.theirs), "rounds": self.theirs} if self.theirs else None,
            "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)} if ratios else None,
            "goal": self.goal,
            "details": self.details,
        }


def alternate(
    num_rounds: int, ours: Callable[[], Value], theirs: Callable[[], Value]
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """A B A B … of two sides, see `take_turns`."""
    our_values, their_values = take_turns(num_rounds, ours, theirs)
    return our_values, their_values


def take_turns(num_rounds: int, *sides: Callable[[], Value]) -> list[tuple[Value, ...]]:
    """A B C A B C … after a round of all to warm up, which does not count: a machine that becomes slower or busy for a
    while concerns all sides alike. Returns each side's values."""
    rounds = [[side() for side in sides] for _ in range(num_rounds + 1)]
    return list(zip(*rounds[1:], strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def render(measurements: Sequence[Measurement]) -> Table:
    """Medians, and the ratio with its spread over the rounds."""
    table = Table("workload", "what", "unit", "Dragoman", "other side", "ratio (min–max)", "goal")
    for column in table.columns[3:]:
        column.justify = "right"
    for measurement in measurements:
        ratios = measurement.ratios
        theirs = f"{_short(statistics.median(measurement.theirs))}" if measurement.theirs else ""
        if theirs and measurement.other != OTHER:
            theirs += f" ({measurement.other})"
        table.add_row(
            measurement.workload,
            measurement.what,
            measurement.unit,
            _short(statistics.median(measurement.ours)),
            theirs,
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else "",
            measurement.goal,
        )
    return table


def render_markdown(measurements: Sequence[Measurement]) -> str:
    """The same table for a README."""
    table = render(measurements)
    rows = zip(*(column.cells for column in table.columns), strict=True)
    lines = [[str(column.header) for column in table.columns], ["---"] * len(table.columns), *map(list, rows)]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.4g}"
