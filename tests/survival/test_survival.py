"""How much of the pasted texts survives with the bundled model, by a sample of the cases; `make survival` has them all.

The floors lie somewhat below what the bundle reached when they were set: all of a kind but one or two.
"""

from collections import defaultdict

import pytest

from dragoman.translation.translator import Translator
from tests.survival.__main__ import translate_cases
from tests.survival.cases import read_cases
from tests.survival.checking import find_faults

FLOORS = {
    "placeholders": 0.9,
    "addresses": 0.9,
    "emoji": 0.85,
    "figures": 0.9,
    "code": 0.85,
    "names": 0.75,
    "quotations": 0.9,
}
EVERY = 3


@pytest.fixture(scope="module")
def passed() -> dict[str, list[bool]]:
    cases = [case for case in read_cases() if case.kind in FLOORS][::EVERY]
    outputs = translate_cases(Translator.load("en-de"), cases)
    marks: dict[str, list[bool]] = defaultdict(list)
    for case, output in zip(cases, outputs, strict=True):
        marks[case.kind].append(not find_faults(case, output))
    return marks


@pytest.mark.parametrize(("kind", "floor"), FLOORS.items())
def test_a_kind_survives(kind: str, floor: float, passed: dict[str, list[bool]]) -> None:
    assert sum(passed[kind]) / len(passed[kind]) >= floor


def test_without_protection_less_survives(passed: dict[str, list[bool]]) -> None:
    cases = [case for case in read_cases() if case.kind in FLOORS][::EVERY]
    translator = Translator.load("en-de")
    num_survivors = 0
    for case in cases:
        (alone,) = translator.translate(
            case.source, case.target_language, source_language=case.source_language, protect=False
        )
        num_survivors += not find_faults(case, alone.text)
    assert num_survivors < 0.9 * sum(map(sum, passed.values()))
