"""Students of Bergamot and Firefox Translations: a .bin with the weights, SentencePiece's vocabularies, a shortlist.

Learnt from marian-dev's src/common/binary.cpp, src/tensors/cpu/integer_common.h and src/data/shortlist.cpp.
"""

import math
import re
from pathlib import PurePath

import numpy as np

from dragoman.model.config import VocabularyShape
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.files import MAX_MODEL_BYTES, Bytes, Files
from dragoman.model.foreign.marian import (
    EOS_ID,
    OPTIONS_TENSOR,
    MarianTensor,
    MarianTensors,
    num_rows,
    parse_options,
    read_architecture,
    read_codec,
    read_weights,
)
from dragoman.model.foreign.model import ForeignModel, ImportOptions, choose_directions, storage_of
from dragoman.model.shortlist import CandidateLists

BINARY_VERSION = 1
SHORTLIST_MAGIC = 0xF11A48D5013417F5

_FLOAT32, _INTGEMM8, _INTGEMM16, _INT8 = 0x404, 0x4101, 0x4102, 0x101
_TYPES = {_FLOAT32: "<f4", _INTGEMM8: "i1", _INTGEMM16: "<i2", _INT8: "i1"}

_MAX_TENSORS, _MAX_NAME = 100_000, 1000

_LANGUAGES = re.compile(r"[._]([a-z]{2})-?([a-z]{2})[._]")
"""In a file's name, such as model.enpt.intgemm.alphas.bin."""

NOTE = (
    "The weights are Marian's 8-bit integers, unchanged. Marian quantizes activations with a fixed factor for each "
    "matrix; this engine with one for each row, found on the fly, which is finer. Near ties may fall otherwise."
)


def is_bergamot(head: bytes) -> bool:
    """Whether a file that begins with these bytes may be such a model. head: 16 bytes."""
    return int.from_bytes(head[:8], "little") == BINARY_VERSION and 0 < int.from_bytes(head[8:16], "little") < 1 << 20


def read_bergamot(files: Files, options: ImportOptions, name: str | None = None) -> ForeignModel:
    """The model of a folder. name: of the .bin, if there are several. Raises InvalidInputError naming what is wrong."""
    name = name or files.find("model*.bin", "*intgemm*.bin")
    if name is None:
        raise InvalidInputError(f"{files.origin}: has no model*.bin")
    path = files.origin / name
    tensors = parse_tensors(files.read(name, MAX_MODEL_BYTES), path)
    try:
        settings = parse_options(bytes(tensors[OPTIONS_TENSOR].values.astype(np.uint8)).decode())
    except (KeyError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path}: lacks {OPTIONS_TENSOR}, the description of the network") from error
    try:
        architecture = read_architecture(settings, tensors)
        weights = read_weights(tensors, architecture)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error
    codec, vocabularies = read_codec(files, *num_rows(weights))
    found = _LANGUAGES.search(f".{PurePath(name).name}") or _LANGUAGES.search(f".{files.origin.name}.")
    sources, targets = ([options.tag(found[1])], [options.tag(found[2])]) if found else ([], [])
    list_name = files.find("lex*.bin", "*shortlist*.bin")
    candidates = None
    if list_name is not None:
        candidates = parse_shortlist(files.read(list_name), codec.shape, files.origin / list_name)
    used = [part for part in (name, *vocabularies, list_name) if part is not None]
    return ForeignModel(
        format="Bergamot (Marian .bin)",
        architecture=architecture,
        codec=codec,
        weights=weights,
        directions=choose_directions(options, sources, targets),
        storage=storage_of(weights),
        candidates=candidates,
        notes=(NOTE,) if storage_of(weights) == "int8" else (),
        details={"marian_version": settings.get("version", ""), "files": used},
    )


def parse_tensors(content: bytes, origin: object) -> MarianTensors:
    """The tensors of a .bin by name. Raises InvalidInputError, which begins with `origin`, for a damaged file."""
    data = Bytes(content, origin)
    version, number = data.number(8), data.number(8)
    if version != BINARY_VERSION or number > _MAX_TENSORS:
        raise InvalidInputError(f"{origin}: no binary model of Marian's version {BINARY_VERSION}")
    headers = [tuple(data.number(8) for _ in range(4)) for _ in range(number)]
    names = []
    for length, *_ in headers:
        if length > _MAX_NAME:
            raise InvalidInputError(f"{origin}: damaged: a name of {length:,} bytes")
        names.append(bytes(data.take(length)).rstrip(b"\0").decode("utf-8", "replace"))
    shapes = []
    for name, (_, _, rank, _) in zip(names, headers, strict=True):
        if rank > 8:
            raise InvalidInputError(f"{origin}: {name} has {rank} dimensions")
        shapes.append(tuple(np.frombuffer(data.take(4 * rank), "<i4").tolist()))
    data.take(data.number(8))
    tensors = {}
    for name, shape, (_, kind, _, size) in zip(names, shapes, headers, strict=True):
        tensors[name] = _tensor(data.take(size), name, shape, kind, origin)
    return tensors


def _tensor(content: memoryview, name: str, shape: tuple[int, ...], kind: int, origin: object) -> MarianTensor:
    if kind not in _TYPES:
        raise InvalidInputError(f"{origin}: {name} has numbers of the unknown type {kind:#x}")
    type_ = np.dtype(_TYPES[kind])
    count = math.prod(shape)
    is_quantized = kind in (_INTGEMM8, _INTGEMM16)
    if min(shape, default=1) < 1 or len(content) < count * type_.itemsize + 4 * is_quantized:
        raise InvalidInputError(f"{origin}: {name} has the shape {list(shape)}, but only {len(content):,} bytes")
    values = np.frombuffer(content, type_, count)
    if not is_quantized:
        return MarianTensor(values.reshape(shape))
    multiplier = float(np.frombuffer(content, "<f4", 1, offset=count * type_.itemsize)[0])
    if not math.isfinite(multiplier) or multiplier <= 0 or len(shape) != 2:
        raise InvalidInputError(f"{origin}: {name} has the multiplier {multiplier} and the shape {list(shape)}")
    # A matrix lies transposed, though its shape says otherwise; embeddings do not.
    values = values.reshape(shape) if "Wemb" in name else values.reshape(shape[::-1]).T
    if kind == _INTGEMM16:
        return MarianTensor(values / np.float32(multiplier))
    return MarianTensor(values, float(np.float32(1) / np.float32(multiplier)))


def parse_shortlist(content: bytes, shape: VocabularyShape, origin: object) -> CandidateLists:
    """The candidates of a binary shortlist. Raises InvalidInputError, which begins with `origin`, for a damaged one."""
    data = Bytes(content, origin)
    if data.number(8) != SHORTLIST_MAGIC:
        raise InvalidInputError(f"{origin}: no binary shortlist")
    data.number(8)  # the checksum, of a hash function of its own; the ids are checked instead
    always, _, num_offsets, num_pieces = (data.number(8) for _ in range(4))
    if num_offsets > 1 << 24 or num_pieces > 1 << 32:
        raise InvalidInputError(f"{origin}: damaged: {num_offsets:,} lists of {num_pieces:,} pieces")
    offsets = np.frombuffer(data.take(8 * num_offsets), "<u8").astype(np.int64)
    pieces = np.frombuffer(data.take(4 * num_pieces), "<u4").astype(np.int64)
    first = np.union1d(np.arange(min(always, shape.target_size)), [EOS_ID])
    candidates = CandidateLists(first, offsets, pieces)
    try:
        candidates.check(shape)
    except ValueError as error:
        raise InvalidInputError(f"{origin}: {error}") from error
    return candidates
