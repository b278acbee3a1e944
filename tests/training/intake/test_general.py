"""General text beside a domain's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.training.intake.general import MAX_HELD_OUT, fold_files, make_general
from dragoman.training.intake.request import PairTexts, Request
from dragoman.training.intake.sources import Source
from tests.commands.running import write_lines


def pairs_of(count: int) -> list[PairTexts]:
    return [(f"sentence number {number}", f"Satz Nummer {number}") for number in range(count)]


def make(folder: Path, pairs: list[PairTexts], known: set[int] | None = None) -> dict[str, int]:
    def read() -> Iterator[PairTexts]:
        yield from pairs

    return make_general([Source("made up", "TSV", 1, read)], Request("en", "de"), folder, known=known or set(), seed=1)


def written(folder: Path, part: str) -> list[PairTexts]:
    sides = [(folder / f"{part}.{code}").read_text("utf-8").splitlines() for code in ("en", "de")]
    return list(zip(*sides, strict=True))


def test_the_parts_have_every_pair_once_and_mixed(tmp_path: Path) -> None:
    pairs = pairs_of(4_000)
    counts = make(tmp_path, [*pairs, *pairs[:50]])
    assert counts == {"dev": MAX_HELD_OUT, "test": MAX_HELD_OUT, "text": 3_000}
    parts = [written(tmp_path, part) for part in counts]
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    assert parts[0] != pairs[:MAX_HELD_OUT]


@pytest.mark.parametrize(("count", "size"), [(100, 50), (999, 499), (2_999, 500)])
def test_little_text_is_for_dev_and_test(tmp_path: Path, count: int, size: int) -> None:
    assert make(tmp_path, pairs_of(count)) == {"dev": size, "test": size, "text": count - 2 * size}


def test_sentences_of_the_domain_are_left_out(tmp_path: Path) -> None:
    domain = [write_lines(tmp_path / "a.en", "Sentence number 3!"), write_lines(tmp_path / "a.de", "SATZ NUMMER 7")]
    make(tmp_path / "general", [*pairs_of(200), ("", "blank")], fold_files(domain))
    found = {pair for part in ("dev", "test", "text") for pair in written(tmp_path / "general", part)}
    assert found == {pair for number, pair in enumerate(pairs_of(200)) if number not in (3, 7)}


def test_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"99 pairs are left .* at least 100"):
        make(tmp_path, pairs_of(99))
