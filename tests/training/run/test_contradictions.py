"""Corpora that are not what their configuration says."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.training.grammar import write_corpus
from dragoman.training.run.contradictions import find_contradictions
from dragoman.training.run.prepare import read_run_text
from tests.training.tiny import tiny_config


@pytest.fixture
def corpus(tmp_path: Path) -> dict[str, dict[str, Path]]:
    """A corpus whose dev set is its own."""
    write_corpus(tmp_path, num_train=200, num_held_out=10, seed=1)
    return {part: {code: tmp_path / f"{part}.{code}" for code in ("en", "de")} for part in ("train", "dev")}


def found(folder: Path, corpus: dict[str, dict[str, Path]], *directions: str) -> list[str]:
    data = {"directions": directions or ("en-de", "de-en"), "train": [corpus["train"]], "dev": corpus["dev"]}
    return find_contradictions(read_run_text(tiny_config(folder / "run", data=data)))


def test_a_sound_corpus_gives_no_warning(tmp_path: Path, corpus: dict[str, dict[str, Path]]) -> None:
    assert found(tmp_path, corpus) == []


def test_dev_pairs_in_the_training_set_are_counted(tmp_path: Path, corpus: dict[str, dict[str, Path]]) -> None:
    for code, path in corpus["dev"].items():
        lines = corpus["train"][code].read_text("utf-8").splitlines(keepends=True)
        path.write_text(path.read_text("utf-8") + "".join(lines[:5]), encoding="utf-8")
    (warning,) = found(tmp_path, corpus)
    assert warning.startswith("5 of the dev set's 15 pairs are in ")


def test_swapped_languages_are_found(tmp_path: Path, corpus: dict[str, dict[str, Path]]) -> None:
    corpus["train"] = {"en": corpus["train"]["de"], "de": corpus["train"]["en"]}
    warnings = found(tmp_path, corpus, "en-de")
    assert [warning.partition("looks as if it was ")[2] for warning in warnings] == [
        "de, not en: are two languages swapped?",
        "en, not de: are two languages swapped?",
    ]


def test_a_corpus_that_is_its_own_copy_is_refused(tmp_path: Path, corpus: dict[str, dict[str, Path]]) -> None:
    corpus["train"]["de"].write_bytes(corpus["train"]["en"].read_bytes())
    with pytest.raises(InvalidInputError, match=r"train\.en and .*train\.de are the same text"):
        found(tmp_path, corpus, "en-de")


def test_a_corpus_that_is_mostly_untranslated_is_reported(tmp_path: Path, corpus: dict[str, dict[str, Path]]) -> None:
    english = corpus["train"]["en"].read_text("utf-8").splitlines()
    corpus["train"]["de"].write_text("\n".join([*english[:-1], "Ende"]) + "\n", encoding="utf-8")
    assert any("199 of the first 200 lines" in warning for warning in found(tmp_path, corpus, "en-de"))


def test_a_language_that_cannot_be_identified_is_not_judged(tmp_path: Path, corpus: dict[str, dict[str, Path]]) -> None:
    for part in corpus.values():
        part["chr"] = part.pop("en")
    assert found(tmp_path, corpus, "chr-de") == []


def change_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(f"{line}\n" for line in change(path.read_text("utf-8").splitlines())), encoding="utf-8")


@pytest.fixture
def long_corpus(tmp_path: Path) -> dict[str, dict[str, Path]]:
    """A corpus with sentences of various lengths."""
    write_corpus(tmp_path, num_train=3000, num_held_out=10, seed=1)
    return {part: {code: tmp_path / f"{part}.{code}" for code in ("en", "de")} for part in ("train", "dev")}


def test_lines_that_are_shifted_are_reported_where_it_begins(
    tmp_path: Path, long_corpus: dict[str, dict[str, Path]]
) -> None:
    assert found(tmp_path, long_corpus, "en-de") == []
    change_lines(long_corpus["train"]["de"], lambda lines: [*lines[:1000], *lines[1001:], "Ende."])
    (warning,) = found(tmp_path, long_corpus, "en-de")
    assert re.search(r"line 1,001 of .*train\.en seems to be translated in line 1,000 of .*train\.de", warning)


def test_sides_in_different_orders_are_reported(tmp_path: Path, long_corpus: dict[str, dict[str, Path]]) -> None:
    change_lines(long_corpus["train"]["de"], sorted)
    (warning,) = found(tmp_path, long_corpus, "en-de")
    assert "do not go together in length" in warning


def test_many_blank_sides_are_reported(tmp_path: Path, corpus: dict[str, dict[str, Path]]) -> None:
    change_lines(corpus["train"]["de"], lambda lines: ["" if n % 5 == 0 else line for n, line in enumerate(lines)])
    change_lines(corpus["dev"]["de"], lambda lines: ["", *lines[1:]])
    warnings = found(tmp_path, corpus, "en-de")
    assert any("40 of 200 pairs of" in warning for warning in warnings)
    assert any("1 of the dev set's 10 pairs have a blank side" in warning for warning in warnings)


def test_a_corpus_that_is_listed_twice_is_reported(tmp_path: Path, corpus: dict[str, dict[str, Path]]) -> None:
    data = {"directions": ("en-de",), "train": [corpus["train"], corpus["train"]], "dev": corpus["dev"]}
    (warning,) = find_contradictions(read_run_text(tiny_config(tmp_path / "run", data=data)))
    assert "has the same corpus more than once" in warning
