"""The training pairs, the same for all systems: as text, as pieces, and with the pieces that both come from."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from dragoman.model.bundle import find_bundle
from dragoman.model.errors import NotFoundError
from dragoman.model.vocabulary import PieceModel
from dragoman.training.corpus.pairs import read_parallel
from dragoman.training.grammar import write_corpus
from tests.benchmarks.training.plan import MAX_LENGTH, SOURCE, TARGET
from tests.pieces import EOS_ID

GRAMMAR_PAIRS = 100_000
NUM_DEV = 100
"""Some systems want a dev set, though none is validated."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """folder: what a Plan is told. num_target_tokens: ends of sentence included."""

    folder: Path
    num_pairs: int
    num_source_pieces: int
    num_target_tokens: int
    num_pieces: int
    origin: str


def prepare(folder: Path, data: Path | None) -> Corpus:
    """Writes a corpus into `folder`, in place of what it holds.

    data: a folder with train.en and train.de, or the same with .gz; None has Dragoman's grammar make them. The pieces
    are those of the bundle that ships, whatever the data. Pairs with a blank side or more than MAX_LENGTH pieces are
    left out, and runs of white space become one blank, so that all systems see the same sentences.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if data is None:
        text = folder / "grammar"
        write_corpus(text, num_train=GRAMMAR_PAIRS, num_held_out=NUM_DEV, seed=1)
    else:
        text = data
    sides = read_parallel([_find(text, f"train.{language}") for language in (SOURCE, TARGET)])
    serialized = (find_bundle("en-de") / "vocabulary.model").read_bytes()
    model = PieceModel(serialized)
    source, target = ([" ".join(line.split()) for line in side] for side in sides)
    source_ids, target_ids = model.encode_all(source), model.encode_all(target)
    kept = [
        pair
        for pair, (ours, theirs) in enumerate(zip(source_ids, target_ids, strict=True))
        if ours and theirs and max(len(ours), len(theirs)) <= MAX_LENGTH
    ]
    for language, lines in ((SOURCE, source), (TARGET, target)):
        chosen = [lines[pair] for pair in kept]
        _write_lines(folder / f"train.{language}", chosen)
        _write_lines(folder / f"dev.{language}", chosen[:NUM_DEV])
    encoded = {
        "source": [[*source_ids[pair], EOS_ID] for pair in kept],
        "target": [[*target_ids[pair], EOS_ID] for pair in kept],
    }
    (folder / "train.json").write_text(json.dumps(encoded))
    (folder / "vocabulary.model").write_bytes(serialized)
    _write_lines(folder / "pieces.txt", list(model.pieces(range(EOS_ID + 1, model.size))))
    return Corpus(
        folder=folder,
        num_pairs=len(kept),
        num_source_pieces=sum(len(source_ids[pair]) for pair in kept),
        num_target_tokens=sum(map(len, encoded["target"])),
        num_pieces=model.size,
        origin="Dragoman's grammar" if data is None else data.name,
    )


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise NotFoundError(f"{folder}: holds neither {name} nor {name}.gz")


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
