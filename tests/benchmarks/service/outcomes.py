"""What a workload found, and whether that is what it should have found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table.

    is_met: None where there is no goal. details: for the results file.
    """

    workload: str
    what: str
    value: float
    unit: str
    goal: str = ""
    is_met: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def render(outcomes: Sequence[Outcome]) -> Table:
    """For people."""
    table = Table("workload", "what", "value", "unit", "goal", "")
    table.columns[2].justify = "right"
    for outcome in outcomes:
        verdict = {None: "", True: "met", False: "[red]missed[/]"}[outcome.is_met]
        table.add_row(outcome.workload, outcome.what, _short(outcome.value), outcome.unit, outcome.goal, verdict)
    return table


def render_markdown(outcomes: Sequence[Outcome]) -> str:
    """The same for a README."""
    lines = [["workload", "what", "value", "unit", "goal", ""], ["---"] * 6]
    for outcome in outcomes:
        verdict = {None: "", True: "met", False: "missed"}[outcome.is_met]
        lines.append(
            [outcome.workload, outcome.what, _short(outcome.value), outcome.unit, outcome.goal, verdict],
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
