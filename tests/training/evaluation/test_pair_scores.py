"""Scoring files of pairs: in order, with errors that name the line."""

import gzip
import os
import threading
from pathlib import Path

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.evaluation.pair_scores import PairFiles
from dragoman.translation.scoring.scored import ScoredTranslation
from dragoman.translation.scoring.scorer import Scorer

EN_DE = Direction("en", "de")


@pytest.fixture(scope="module")
def scorer(tiny_bundle: Path) -> Scorer:
    return Scorer.load(tiny_bundle)


def write(path: Path, *lines: str) -> Path:
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_scores_line_by_line(scorer: Scorer, tmp_path: Path) -> None:
    sources = ["tree", "The dog sees the house.", "bridge"]
    targets = ["Baum", "Der Hund sieht das Haus.", "Brücke"]
    files = PairFiles(write(tmp_path / "a.en", *sources), write(tmp_path / "a.de.gz", *targets))
    assert files.num_pairs == 3
    scored = list(files.score(scorer, EN_DE, SearchOptions()))
    assert scored == scorer.score(zip(sources, targets, strict=True), "de", source_language="en")


def test_empty_files_have_no_scores(scorer: Scorer, tmp_path: Path) -> None:
    files = PairFiles(write(tmp_path / "a.en"), write(tmp_path / "a.de"))
    assert list(files.score(scorer, EN_DE, SearchOptions())) == []


def test_what_cannot_be_scored_is_named_by_its_line(scorer: Scorer, tmp_path: Path) -> None:
    source, target = tmp_path / "a.en", tmp_path / "a.de"
    files = PairFiles(
        write(source, "tree", " ", "house", "house " * 200), write(target, "Baum", "Haus", "\u3000", "Haus")
    )
    scored = files.score(scorer, EN_DE, SearchOptions())
    assert isinstance(next(scored), ScoredTranslation)
    with pytest.raises(InvalidInputError) as caught:
        next(scored)
    assert str(caught.value) == f"line 2 of {source} and {target}: the source is blank: there is nothing to score"

    first, *failures = files.score(scorer, EN_DE, SearchOptions(), keep_going=True)
    assert isinstance(first, ScoredTranslation)
    for number, (failure, reason) in enumerate(
        zip(failures, ("source is blank", "target is blank", "source has"), strict=True), start=2
    ):
        assert isinstance(failure, InvalidInputError)
        assert str(failure).startswith(f"line {number} of {source} and {target}: the {reason}")


def test_files_that_do_not_fit_are_refused_before_anything_is_scored(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", "a"), write(tmp_path / "two", "a", "b")
    with pytest.raises(InvalidInputError, match=r"one has 1 lines, but .*two has 2: line N of one must be"):
        PairFiles(one, two)
    with pytest.raises(NotFoundError, match="none: no such file"):
        PairFiles(one, tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"good\n\xff\n")
    with pytest.raises(InvalidInputError, match="bad, line 2: invalid UTF-8"):
        PairFiles(two, tmp_path / "bad")


def test_a_pipe_is_read_once_and_checked_on_the_way(scorer: Scorer, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    target = write(tmp_path / "a.de", "Baum", "Haus", "Haus")
    files = PairFiles(pipe, target)
    assert files.num_pairs is None
    writer = threading.Thread(target=pipe.write_text, args=("tree\nhouse\n",))
    writer.start()
    with pytest.raises(InvalidInputError, match=r"pipe ends after 2 lines, but .*a\.de has more$"):
        list(files.score(scorer, EN_DE, SearchOptions()))
    writer.join()
