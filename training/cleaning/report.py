"""The result of cleaning a corpus: counts and a few examples by filter, for a terminal, as JSON and as a web page."""

import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from dragoman.training.cleaning.options import CleaningOptions
from dragoman.training.cleaning.pairs import Pair

_MAX_SHOWN = 200
"""Characters shown of an example's side; JSON has all."""


@dataclass(frozen=True, slots=True)
class Example:
    """A pair that was rejected or repaired; detail: the reason."""

    line: int
    source: str
    target: str
    detail: str


class Tally:
    """Counts pairs, and keeps some of them: each is kept with equal probability (Vitter 1985, algorithm R)."""

    def __init__(self, name: str, meaning: str, *, num_examples: int, seed: int) -> None:
        self.name = name
        self.meaning = meaning
        self.count = 0
        self._num_examples = num_examples
        self._examples: list[Example] = []
        self._random = random.Random(f"{seed} {name}")

    @property
    def examples(self) -> list[Example]:
        """In the order of the corpus."""
        return sorted(self._examples, key=lambda example: example.line)

    def add(self, pair: Pair, detail: str) -> None:
        self.count += 1
        place = len(self._examples)
        if place == self._num_examples:
            place = self._random.randrange(self.count)
            if place >= self._num_examples:
                return
            self._examples.pop(place)
        self._examples.insert(place, Example(pair.number, pair.source, pair.target, detail))


@dataclass(slots=True)
class CleaningReport:
    """A tally for each filter, in order, and one for repaired pairs, if requested."""

    options: CleaningOptions
    filters: Sequence[Tally]
    repaired: Tally | None
    num_pairs: int = 0
    num_kept: int = 0

    def share(self, count: int) -> float:
        """A count's share of all pairs, from 0 to 1."""
        return count / self.num_pairs if self.num_pairs else 0.0


def report_to_json(report: CleaningReport) -> dict[str, object]:
    """The whole report, with examples in full."""
    return {
        "pairs": report.num_pairs,
        "kept": report.num_kept,
        "repaired": _tally_to_json(report, report.repaired) if report.repaired else None,
        "filters": [_tally_to_json(report, tally) for tally in report.filters],
        "options": asdict(report.options),
    }


def _tally_to_json(report: CleaningReport, tally: Tally) -> dict[str, object]:
    return {
        "name": tally.name,
        "meaning": tally.meaning,
        "count": tally.count,
        "share": report.share(tally.count),
        "examples": [asdict(example) for example in tally.examples],
    }


def report_to_html(report: CleaningReport) -> str:
    """A self-contained web page with the terminal's content."""
    console = Console(file=io.StringIO(), record=True, width=120, force_terminal=True, legacy_windows=False)
    console.print(render_report(report))
    return console.export_html()


def render_report(report: CleaningReport) -> Group:
    """The terminal's content: a table, and the examples below it."""
    table = Table("filter", "rejects")
    table.add_column("pairs", justify="right")
    table.add_column("share", justify="right")
    for tally in report.filters:
        table.add_row(tally.name, Text(tally.meaning), f"{tally.count:,}", _percent(report.share(tally.count)))
    num_rejected = report.num_pairs - report.num_kept
    table.add_section()
    for name, count in (("rejected", num_rejected), ("kept", report.num_kept), ("all", report.num_pairs)):
        table.add_row(name, "", f"{count:,}", _percent(report.share(count)))
    tallies = [*report.filters, *([report.repaired] if report.repaired else [])]
    if report.repaired:
        table.add_section()
        count = report.repaired.count
        table.add_row("repaired", Text(report.repaired.meaning), f"{count:,}", _percent(report.share(count)))
    return Group(table, *(line for tally in tallies for line in _render_examples(tally)))


def _render_examples(tally: Tally) -> Iterator[Text]:
    if not tally.count:
        return
    yield Text.assemble("\n", (tally.name, "bold"), f", {len(tally.examples)} of {tally.count:,}")
    for example in tally.examples:
        yield Text(f"  line {example.line:,}: {_visible(example.detail)}", style="dim")
        yield Text(f"    {_visible(example.source)}")
        yield Text(f"    {_visible(example.target)}")


def _visible(text: str) -> str:
    """A text that is safe for a terminal: control characters, also those of direction, are written out."""
    shown = text[:_MAX_SHOWN] + ("…" if len(text) > _MAX_SHOWN else "")
    return "".join(
        character
        if character.isprintable() or (character.isspace() and ord(character) > 0xFF)
        else ascii(character)[1:-1]
        for character in shown
    )


def _percent(share: float) -> str:
    return f"{share:.2%}"
