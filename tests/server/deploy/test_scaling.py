"""The page that computes what so many sentences a day need: its table follows from its formula and its costs."""

import math
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "server" / "deploy" / "scaling.md").read_text("utf-8")
SENTENCES = {"1 million": 1e6, "100 million": 1e8, "10 billion": 1e10}


def read_rows(heading: str) -> list[list[str]]:
    """The cells of the tables below a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [row for row in rows if not set("".join(row)) <= set("-")]


def choices(symbol: str) -> tuple[float, float]:
    """A symbol's values for batch and for the service."""
    (cells,) = [row for row in read_rows("Formula") if row[0] == symbol]
    batch, service = re.findall(r"\d+(?:\.\d+)?", cells[-1])
    return float(batch), float(service)


@pytest.mark.parametrize("row", [row for row in read_rows("Result") if row[0] in SENTENCES], ids=str)
def test_the_table_follows_from_the_formula(row: list[str]) -> None:
    name, way, *shown = row
    place = {"batch": 0, "service": 1}[way]
    cost, used, peak, fewest = (choices(symbol)[place] for symbol in ("c", "u", "p", "m"))
    cores_of_node, gibibytes = choices("k, g")
    (price,) = re.findall(r"\d+\.\d+", next(row for row in read_rows("Formula") if row[0] == "P")[-1])
    hours = SENTENCES[name] * cost / 3_600_000 / used
    cores = hours / 24 * peak
    nodes = max(fewest, math.ceil(cores / cores_of_node))
    due = [cores, nodes, nodes * gibibytes, hours, hours * float(price)]
    for text, value in zip(shown, due, strict=True):
        decimals = len(text.partition(".")[2])
        assert text == f"{value:,.{decimals}f}"


def test_the_formula_takes_the_measured_costs() -> None:
    measured = [float(row[-1]) for row in read_rows("Measured costs") if row[0] == "c"]
    assert tuple(measured) == choices("c")


def test_it_has_every_number_of_sentences_in_both_ways() -> None:
    found = [(row[0], row[1]) for row in read_rows("Result") if row[0] in SENTENCES]
    assert found == [(name, way) for name in SENTENCES for way in ("batch", "service")]
