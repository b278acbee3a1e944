"""Lexical shortlists: the few target pieces that a sentence's translation may consist of. Free of torch.

The output layer is the largest product of a decoding step, and nearly all of it is spent on pieces that are unrelated
to the sentence. Here each source piece has a list of candidates, learnt from a parallel corpus, and some pieces are
always possible. The softmax covers the union alone (Jean et al. 2015; L'Hostis et al. 2016). The union depends on the
sentence alone, so translations still do not depend on their batch-mates.

shortlist.safetensors, an optional file of a bundle, holds three arrays for each direction:

en→de.always   [A] ids that are always possible, ascending, the end of sentence among them
en→de.offsets  [source pieces + 1] uint32: the candidates of source piece s are pieces[offsets[s] : offsets[s + 1]]
en→de.pieces   ids, ascending for each source piece; uint16 where that suffices, else uint32
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from dragoman.model.bundle import BundleConfig, read_file
from dragoman.model.codec import Codec
from dragoman.model.config import Direction, VocabularyShape
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.files import write_atomically
from dragoman.model.weights import UnknownKindError, view_tensors

SHORTLIST_FILE = "shortlist.safetensors"
ARRAYS = ("always", "offsets", "pieces")


Ids = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class CandidateLists:
    """One direction's candidates.

    Arrays of any integers.

    always:  [A] target pieces that are always possible, ascending, the end of sentence among them.
    offsets: [source pieces + 1] ascending from 0.
    pieces:  [offsets[-1]] the candidates of source piece s are pieces[offsets[s] : offsets[s + 1]], ascending.
    """

    always: Ids
    offsets: Ids
    pieces: Ids

    def of(self, source_piece: int) -> Ids:
        """The candidates of a source piece."""
        return self.pieces[self.offsets[source_piece] : self.offsets[source_piece + 1]]

    def check(self, shape: VocabularyShape) -> None:
        """Raises ValueError with the reason if these lists do not fit a vocabulary of this shape."""
        if any(array.ndim != 1 for array in (self.always, self.offsets, self.pieces)):
            raise ValueError("its arrays must have one dimension")
        if len(self.offsets) != shape.source_size + 1:
            raise ValueError(
                f"it has lists for {len(self.offsets) - 1} source pieces, but the vocabulary has {shape.source_size}"
            )
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.pieces) or (self.offsets[1:] < self.offsets[:-1]).any():
            raise ValueError("its offsets do not divide its pieces")
        for ids in (self.always, self.pieces):
            if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < shape.target_size:
                raise ValueError(f"it holds ids outside of the {shape.target_size} target pieces")
        if shape.eos_id not in self.always:
            raise ValueError("it lacks the end of sentence")


class Shortlist:
    """The candidates of every direction that has a shortlist. Safe to use from several threads."""

    def __init__(self, lists: Mapping[Direction, CandidateLists], shape: VocabularyShape) -> None:
        """Raises ValueError for lists that do not fit the vocabulary."""
        for candidates in lists.values():
            candidates.check(shape)
        self.lists = dict(lists)
        self.shape = shape
        self._masks = {direction: _mask(candidates.always, shape) for direction, candidates in lists.items()}
        # A view is faster to look into number by number than an array.
        self._offsets = {direction: candidates.offsets.data for direction, candidates in lists.items()}

    def allowed_ids(self, source_ids: Sequence[int], direction: Direction) -> NDArray[np.int32]:
        """The target pieces, ascending, that the translation of a sentence may consist of.

        source_ids: its pieces; language tag and end of sentence may be among them. Raises NotFoundError for a
        direction without lists.
        """
        if direction not in self.lists:
            raise NotFoundError(f"there is no shortlist for {direction}: `dragoman shortlist` learns one")
        pieces, offsets = self.lists[direction].pieces, self._offsets[direction]
        mask = self._masks[direction].copy()
        mask[np.concatenate([pieces[offsets[source] : offsets[source + 1]] for source in source_ids])] = True
        return np.flatnonzero(mask).astype(np.int32)

    def with_lists(self, direction: Direction, candidates: CandidateLists) -> "Shortlist":
        """A copy with other lists for a direction."""
        return Shortlist(self.lists | {direction: candidates}, self.shape)

    def write(self, folder: Path) -> None:
        """Writes the shortlist into a bundle's folder. Raises DragomanError if it cannot be written."""
        write_atomically(folder / SHORTLIST_FILE, self.pack())

    def pack(self) -> bytes:
        """The content of the shortlist's file."""
        id_type = np.uint16 if self.shape.target_size <= 2**16 else np.uint32
        arrays: dict[str, NDArray[np.generic]] = {}
        for direction, candidates in self.lists.items():
            arrays[f"{direction}.always"] = candidates.always.astype(id_type)
            arrays[f"{direction}.offsets"] = candidates.offsets.astype(np.uint32)
            arrays[f"{direction}.pieces"] = candidates.pieces.astype(id_type)
        return save(arrays)


def _mask(ids: Ids, shape: VocabularyShape) -> NDArray[np.bool_]:
    """[target pieces] True at the ids."""
    mask = np.zeros(shape.target_size, dtype=np.bool_)
    mask[ids] = True
    return mask


def has_shortlist(folder: Path) -> bool:
    """Whether a bundle has a shortlist for at least one direction."""
    return (folder / SHORTLIST_FILE).exists()


def read_shortlist(folder: Path, info: BundleConfig) -> Shortlist:
    """A bundle's shortlist. Raises InvalidInputError naming the file if it is missing, damaged or made for another
    vocabulary."""
    path = folder / SHORTLIST_FILE
    if not has_shortlist(folder):
        raise InvalidInputError(f"{path}: the bundle has no shortlist; `dragoman shortlist` learns one")
    content = read_file(path)
    try:
        arrays = view_tensors(content)
    except UnknownKindError as error:
        raise InvalidInputError(f"{path}: holds numbers of the type {error}") from error
    except ValueError as error:
        raise InvalidInputError(f"{path}: damaged or cut short: {error}") from error
    try:
        return Shortlist(_split(arrays), info.vocabulary)
    except ValueError as error:
        raise InvalidInputError(f"{path}: {error}") from error


def _split(arrays: Mapping[str, NDArray[Any]]) -> dict[Direction, CandidateLists]:
    """By direction. Raises ValueError if an array is missing, has an unknown name or does not hold integers."""
    lists = {}
    for name in sorted({name.rpartition(".")[0] for name in arrays}):
        parts: dict[str, Ids] = {}
        for part in ARRAYS:
            array = arrays.get(f"{name}.{part}")
            if array is None or array.dtype.kind not in "iu":
                raise ValueError(f"{name}.{part} must be there and hold integers")
            parts[part] = array
        try:
            lists[Direction.parse(name)] = CandidateLists(**parts)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
    return lists


def write_vmap(path: Path, shortlist: Shortlist, direction: Direction, vocabulary: Codec) -> None:
    """Writes the lists for CTranslate2, whose `use_vmap=True` reads them from vmap.txt in the model's folder.

    A line is a source piece, a tab and its candidates separated by spaces; the line without a source piece has the
    pieces that are always possible. CTranslate2 adds the unknown piece and the beginning of sentence, and takes the
    union over a batch: a sentence's shortlist equals ours only when it is translated alone (max_batch_size=1). One file
    serves one direction. Raises NotFoundError for a direction without lists, DragomanError if the file cannot be
    written.
    """
    if direction not in shortlist.lists:
        raise NotFoundError(f"there is no shortlist for {direction}: `dragoman shortlist` learns one")
    candidates = shortlist.lists[direction]
    source_pieces = vocabulary.source.pieces(range(vocabulary.source.size))
    target_pieces = vocabulary.target.pieces(range(vocabulary.target.size))

    def line(key: str, ids: Ids) -> str:
        return f"{key}\t{' '.join(target_pieces[piece] for piece in ids)}\n"

    lines = [line("", candidates.always)]
    for source, piece in enumerate(source_pieces):
        ids = candidates.of(source)
        if len(ids):
            lines.append(line(piece, ids))
    write_atomically(path, "".join(lines))
