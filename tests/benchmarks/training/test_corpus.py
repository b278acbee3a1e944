"""All systems see the same pairs, and Dragoman's side counts its own run's tokens."""

import gzip
import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from dragoman.model.errors import NotFoundError
from dragoman.model.vocabulary import PieceModel
from dragoman.training.learning.objective import Objective
from tests.benchmarks.training import dragoman_side
from tests.benchmarks.training.corpus import Corpus, prepare
from tests.benchmarks.training.plan import MAX_LENGTH, Plan
from tests.benchmarks.training.rounds import Rounds

LONG = "house " * (MAX_LENGTH + 1)
ENGLISH = ["I see a  dog.", "", "Hello!", LONG, "Tom sleeps."]
GERMAN = ["Ich sehe einen Hund.", "Nichts.", " ", "Haus.", "Tom schläft."]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.en").write_text("\n".join(ENGLISH) + "\n", encoding="utf-8")
    with gzip.open(data / "train.de.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(GERMAN) + "\n")
    return prepare(tmp_path / "corpus", data)


def test_blank_and_long_pairs_are_left_out_for_all(corpus: Corpus) -> None:
    assert (corpus.folder / "train.en").read_text("utf-8") == "I see a dog.\nTom sleeps.\n"
    assert (corpus.folder / "train.de").read_text("utf-8") == "Ich sehe einen Hund.\nTom schläft.\n"
    assert corpus.num_pairs == 2


def test_encoded_pairs_are_the_texts_with_the_end_of_sentence(corpus: Corpus) -> None:
    model = PieceModel((corpus.folder / "vocabulary.model").read_bytes())
    pairs = json.loads((corpus.folder / "train.json").read_text())
    for language, side in (("en", "source"), ("de", "target")):
        lines = (corpus.folder / f"train.{language}").read_text("utf-8").splitlines()
        assert pairs[side] == [[*model.encode(line), 3] for line in lines]
    assert corpus.num_target_tokens == sum(map(len, pairs["target"]))
    pieces = (corpus.folder / "pieces.txt").read_text("utf-8").split("\n")[:-1]
    assert [model.piece_id(piece) for piece in pieces] == list(range(4, model.size))


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"holds neither train\.en nor train\.en\.gz"):
        prepare(tmp_path / "corpus", tmp_path)


def test_dragomans_side_counts_the_batches_of_its_run(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Objective, "forward", Objective.forward)  # is put back afterwards
    plan = Plan("4+4x128", str(corpus.folder), str(tmp_path / "scratch"), batch_tokens=64, threads=1)
    requests = [{"plan": asdict(plan)}, {"seconds": 0.0}, {"seconds": 0.0}]
    lines = "".join(json.dumps({"method": "any", "arguments": request}) + "\n" for request in requests)
    replies = io.StringIO()
    with pytest.raises(SystemExit):
        Rounds(io.StringIO(lines), replies).serve(dragoman_side.train, ("torch",))
    described, *rounds = [json.loads(line)["result"] for line in replies.getvalue().splitlines()]
    assert described["num_parameters"] == 2_636_288
    for counted in rounds:  # one update each, on both pairs
        assert (counted["num_updates"], counted["num_pairs"]) == (1, 2)
        assert counted["num_target_tokens"] == corpus.num_target_tokens
        # Dragoman's sources have the tag of the target language besides their pieces and end.
        assert counted["num_tokens"] == corpus.num_source_pieces + 2 * 2 + corpus.num_target_tokens
