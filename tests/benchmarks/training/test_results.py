"""From rounds to the table's numbers."""

from typing import Any

import pytest

from tests.benchmarks.training.results import Outcome, ratios, render_markdown
from tests.benchmarks.training.systems import OURS, SYSTEMS, chosen


def counts(num_target_tokens: int, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "num_updates": 2,
        "num_pairs": 5,
        "num_target_tokens": num_target_tokens,
        "num_tokens": 190,
        "num_places": 200,
        "peak_memory": 3 * 2**20,
    }


def outcome(system: str, *rounds: dict[str, Any], error: str | None = None) -> Outcome:
    return Outcome(system, system.title(), "small", {"num_parameters": 1234, "versions": {}}, rounds, error)


OURS_AT_WORK = outcome(OURS, counts(600, 1.0), counts(1000, 2.0), counts(700, 1.0))
THEIRS = outcome("marian", counts(200, 1.0), counts(500, 2.0), counts(1400, 4.0))


def test_rates_are_target_tokens_by_seconds_and_padding_is_of_all_places() -> None:
    assert OURS_AT_WORK.rates == [600.0, 500.0, 700.0]
    assert OURS_AT_WORK.padding_share == pytest.approx(0.05)
    assert ratios(OURS_AT_WORK, THEIRS) == [3.0, 2.0, 2.0]


def test_the_table_has_medians_with_their_spread_and_failures() -> None:
    failed = outcome("eole", error="no such thing")
    assert render_markdown([OURS_AT_WORK, THEIRS, failed]).splitlines()[2:] == [
        "| small | Dragoman | 600 (500–700) |  | 5.0% | 3 | 1,234 |",
        "| small | Marian | 250 (200–350) | 2.00 (2.00–3.00) | 5.0% | 3 | 1,234 |",
        "| small | Eole | failed: no such thing |  |  |  |  |",
    ]


def test_json_holds_every_round() -> None:
    found = THEIRS.to_json()
    assert found["target_tokens_per_second"] == {"median": 250.0, "rounds": [200.0, 250.0, 350.0]}
    assert found["target_tokens_per_pair"] == 2100 / 15
    assert found["num_parameters"] == 1234
    assert len(found["rounds"]) == 3
    assert outcome("eole", error="no such thing").to_json()["error"] == "no such thing"


def test_dragoman_is_always_among_the_chosen_and_strangers_are_named() -> None:
    assert list(chosen(["eole"])) == [OURS, "eole"]
    assert list(chosen(list(SYSTEMS))) == list(SYSTEMS)
    with pytest.raises(ValueError, match="there is no system fairseq; choose among dragoman, marian"):
        chosen(["eole", "fairseq"])
