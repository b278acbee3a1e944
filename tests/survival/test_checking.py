"""The checks of the survival cases."""

from pathlib import Path
from typing import Any

import pytest

from tests.survival.cases import Case, read_cases
from tests.survival.checking import count, find_faults
from tests.survival.figures import read_figures


def make_case(source: str, **checks: Any) -> Case:
    return Case(kind="any", source_language="en", target_language="de", source=source, **checks)


@pytest.mark.parametrize(
    ("checks", "good", "bad"),
    [
        ({"keep": ("%s", "%d")}, "Datei %d von %s", "Datei %s von %s"),
        ({"keep": ("%s", "%d"), "order": True}, "%s und %d", "%d und %s"),
        ({"equal": True}, "%s of %d", "%s von %d"),
        ({"changed": True}, "%s von %d", "%s of %d"),
        ({"values": ("1250", "15:30")}, "1.250 um 15.30 Uhr", "1.251 um 15.30 Uhr"),
        ({"upper": True}, "STRAßE 5", "STRASSE b"),
        ({"any": (("auto", "wagen"), ("rot",))}, "Der rote Wagen", "Der blaue Wagen"),
        ({"absent": (r"\bBett\b",)}, "Betten", "Das Bett"),
        ({"lines": True}, "eins", "eins\nzwei"),
    ],
)
def test_each_check_tells_good_from_bad(checks: dict[str, Any], good: str, bad: str) -> None:
    case = make_case("%s of %d", **checks)
    assert find_faults(case, good) == []
    assert len(find_faults(case, bad)) >= 1


def test_a_part_of_a_longer_word_does_not_count() -> None:
    assert count("12", "12 Uhr, 1234 und A12, 12.") == 2
    assert count("*", "*a* * b") == 3


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,234,567 people", {"1234567"}),
        ("1.234.567,50 €", {"1234567.50", "1234567.5"}),
        ("1 234 567", {"1234567"}),
        ("-3,5 Grad", {"-3.5"}),
        ("um 3:30 p.m.", {"15:30"}),
        ("at 12 a.m.", {"00:00"}),
        ("um 15 Uhr", {"15:00"}),
        ("28. 11. 2026", {"2026-11-28"}),
        ("11/28/2026", {"2026-11-28"}),
    ],
)
def test_figures_are_read_in_any_notation(text: str, values: set[str]) -> None:
    assert values <= read_figures(text)


def test_a_figure_within_a_word_is_none() -> None:
    assert read_figures("A4 x86") == set()


@pytest.mark.parametrize(
    "line", ['{"from": "en", "to": "de", "source": "a"}', '{"from": "en", "to": "de", "source": "a", "keep": ["b"]}']
)
def test_a_case_that_checks_nothing_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "any.jsonl").write_text(line)
    with pytest.raises(ValueError, match=r"any\.jsonl:1"):
        list(read_cases(tmp_path))


def test_there_are_enough_cases_of_each_kind_and_direction() -> None:
    numbers: dict[tuple[str, str], int] = {}
    for case in read_cases():
        numbers[case.kind, case.direction] = numbers.get((case.kind, case.direction), 0) + 1
    assert min(numbers.values()) >= 25
