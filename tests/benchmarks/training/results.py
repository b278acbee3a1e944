"""From rounds to a table."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from tests.benchmarks.training.systems import OURS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one system did at one shape.

    description: its parameters and versions. rounds: as `Rounds` tells them, those that count. error: why there are
    none, the last line of it.
    """

    system: str
    title: str
    shape: str
    description: dict[str, Any]
    rounds: tuple[dict[str, Any], ...]
    error: str | None = None

    @property
    def rates(self) -> list[float]:
        """Real target tokens a second, round by round."""
        return [counts["num_target_tokens"] / counts["seconds"] for counts in self.rounds]

    @property
    def padding_share(self) -> float:
        """Padded places among all places of all batches, both sides, 0 to 1."""
        return 1 - self._total("num_tokens") / self._total("num_places")

    @property
    def peak_memory(self) -> int:
        """Bytes."""
        return max(int(counts["peak_memory"]) for counts in self.rounds)

    def _total(self, key: str) -> int:
        return sum(int(counts[key]) for counts in self.rounds)

    def to_json(self) -> dict[str, Any]:
        found = {
            "system": self.system,
            "title": self.title,
            "shape": self.shape,
            **self.description,
        }
        if not self.rounds:
            return found | {"error": self.error}
        return found | {
            "target_tokens_per_second": {"median": statistics.median(self.rates), "rounds": self.rates},
            "padding_share": self.padding_share,
            "target_tokens_per_update": self._total("num_target_tokens") / self._total("num_updates"),
            "target_tokens_per_pair": self._total("num_target_tokens") / self._total("num_pairs"),
            "peak_memory": self.peak_memory,
            "rounds": self.rounds,
        }


def ratios(ours: Outcome, theirs: Outcome) -> list[float]:
    """How many times as fast we are, round by round: rounds of one number are neighbours in time."""
    return [our / their for our, their in zip(ours.rates, theirs.rates, strict=True)]


def render(outcomes: Sequence[Outcome]) -> Table:
    """Medians with the smallest and the largest; the ratio is Dragoman's speed by the system's."""
    columns = ("shape", "system", "target tokens/s", "Dragoman is … times as fast", "padding", "peak MiB", "parameters")
    table = Table(*columns)
    for column in table.columns[2:]:
        column.justify = "right"
    ours = {outcome.shape: outcome for outcome in outcomes if outcome.system == OURS}
    for outcome in outcomes:
        table.add_row(outcome.shape, outcome.title, *_cells(outcome, ours))
    return table


def _cells(outcome: Outcome, ours: Mapping[str, Outcome]) -> tuple[str, ...]:
    if not outcome.rounds:
        return (f"failed: {outcome.error}",)
    rates, ratio = outcome.rates, ""
    if outcome.system != OURS and (mine := ours.get(outcome.shape)) and mine.rounds:
        times = ratios(mine, outcome)
        ratio = f"{statistics.median(times):.2f} ({min(times):.2f}–{max(times):.2f})"
    return (
        f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})",
        ratio,
        f"{outcome.padding_share:.1%}",
        f"{outcome.peak_memory / 2**20:,.0f}",
        f"{outcome.description['num_parameters']:,}",
    )


def render_markdown(outcomes: Sequence[Outcome]) -> str:
    """The same table for a README."""
    table = render(outcomes)
    rows = zip(*(column.cells for column in table.columns), strict=True)
    lines = [[str(column.header) for column in table.columns], ["---"] * len(table.columns), *map(list, rows)]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
