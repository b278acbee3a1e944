"""A model of another toolkit, read: what all readers return, and what they are asked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dragoman.model.bundle import Storage
from dragoman.model.config import ArchitectureConfig, Direction
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign_vocabulary import ForeignVocabulary
from dragoman.model.shortlist import CandidateLists
from dragoman.model.weights import StoredTensor

MAX_ALL_DIRECTIONS = 1000
"""Most directions that a bundle gets without being asked: of a model of a hundred languages, nobody wants all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the user says of a model.

    sources, targets: its languages, as bundles name them; empty: those that the files name.
    positions:        "marian": OPUS-MT's models get the positions that they were trained with, instead of those with
                      which transformers computes.
    piece_models:     SentencePiece's models of the source and the target, if the folder lacks them.
    tag:              the name that bundles give to a language, of a toolkit's own name for it.
    """

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    positions: Literal["transformers", "marian"] = "transformers"
    piece_models: tuple[Path, ...] = ()
    tag: Callable[[str], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignModel:
    """Everything of a bundle but its name.

    weights:    by the names of `describe_parameters`, those that are stored.
    candidates: of a shortlist, which every direction has.
    notes:      sentences for the card: how it differs from its toolkit's computation.
    licence:    as its files state it.
    """

    format: str
    architecture: ArchitectureConfig
    codec: ForeignVocabulary
    weights: Mapping[str, StoredTensor]
    directions: tuple[Direction, ...]
    storage: Storage
    candidates: CandidateLists | None = None
    notes: tuple[str, ...] = ()
    licence: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def floats(values: NDArray[Any]) -> StoredTensor:
    """A parameter in float32."""
    return StoredTensor(np.ascontiguousarray(values, dtype=np.float32))


def integers(values: NDArray[Any], scales: NDArray[np.float32] | float) -> StoredTensor:
    """A matrix [rows, columns] in int8, with a scale for each row or one for all."""
    rows = np.broadcast_to(np.asarray(scales, np.float32), values.shape[:1])
    return StoredTensor(np.ascontiguousarray(values, dtype=np.int8), np.ascontiguousarray(rows))


def storage_of(weights: Mapping[str, StoredTensor], *, is_half: bool = False) -> Storage:
    """How a model is stored without any loss. is_half: whether its floats have 16 bits."""
    if any(tensor.scales is not None for tensor in weights.values()):
        return "int8"
    return "float16" if is_half else "float32"


def fit_pieces(pieces: Sequence[str], rows: int, name: str) -> list[str]:
    """A list of as many pieces as the embeddings have rows: toolkits make more rows than there are pieces, and a list
    may go on behind those that were trained. name: of the list's file, for the message.

    Raises InvalidInputError if most of the rows have no piece."""
    if len(pieces) < rows // 2:
        raise InvalidInputError(f"{name}: has {len(pieces):,} pieces, but the embeddings have {rows:,} rows")
    return [*pieces[:rows], *(f"<unused{number}>" for number in range(len(pieces), rows))]


def unused_ids(pieces: Sequence[str], rows: int) -> range:
    """The ids that `fit_pieces` adds."""
    return range(min(len(pieces), rows), rows)


def choose_directions(
    options: ImportOptions, sources: Sequence[str], targets: Sequence[str], known: str = "the model"
) -> tuple[Direction, ...]:
    """The directions from the user's languages, or else the model's, into the user's, or else the model's.

    sources, targets: the model's, empty if its files do not name any. Raises InvalidInputError if one is missing or
    unknown, or if they are too many to be meant."""
    for flag, wanted, possible in (("--from", options.sources, sources), ("--to", options.targets, targets)):
        if not wanted and not possible:
            raise InvalidInputError(f"the files do not say what language {flag} is: give {flag}")
        if len(possible) > 1 and (unknown := [language for language in wanted if language not in possible]):
            shown = ", ".join(sorted(possible)[:40]) + (" …" if len(possible) > 40 else "")
            raise InvalidInputError(f"{flag} {unknown[0]}: {known} does not know this language; it knows {shown}")
    directions = tuple(_pairs(options.sources or sources, options.targets or targets))
    if not directions:
        raise InvalidInputError("the languages of --from and --to are the same")
    if len(directions) > MAX_ALL_DIRECTIONS and not (options.sources and options.targets):
        raise InvalidInputError(
            f"the model has {len(directions):,} directions: choose with --from and --to, which may be repeated"
        )
    return directions


def _pairs(sources: Sequence[str], targets: Sequence[str]) -> Iterator[Direction]:
    for source in sources:
        for target in targets:
            if source != target:
                yield Direction(source, target)
