"""Marian's models as it trains them: a .npz with the weights and SentencePiece's or listed vocabularies.

The student of a Bergamot .bin is such a model, quantized.
"""

import io
import math
import re
import zipfile
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.files import MAX_MODEL_BYTES, Files
from dragoman.model.foreign.marian import (
    OPTIONS_TENSOR,
    MarianTensor,
    MarianTensors,
    num_rows,
    parse_options,
    read_architecture,
    read_codec,
    read_weights,
)
from dragoman.model.foreign.model import ForeignModel, ImportOptions, choose_directions

_MAX_HEADER = 10_000

_LANGUAGES = re.compile(r"(?:^|[-_.])([a-z]{2,3})-([a-z]{2,3})(?=$|[-_.])")
"""In a folder's name, such as opus-2019-12-04.en-de."""


def read_marian(files: Files, options: ImportOptions, name: str | None = None) -> ForeignModel:
    """The model of a folder. name: of the .npz, if there are several. Raises InvalidInputError naming what is wrong."""
    name = name or files.find("*best-chrf*.npz", "*best-perplexity*.npz", "*best-translation*.npz", "*.npz")
    if name is None:
        raise InvalidInputError(f"{files.origin}: has no .npz")
    path = files.origin / name
    tensors = parse_npz(files.read(name, MAX_MODEL_BYTES), path)
    try:
        settings = parse_options(tensors[OPTIONS_TENSOR].values.astype(np.uint8).tobytes().decode())
    except (KeyError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path}: lacks {OPTIONS_TENSOR}, the description of the network") from error
    try:
        architecture = read_architecture(settings, tensors)
        weights = read_weights(tensors, architecture)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error
    codec, vocabularies = read_codec(files, *num_rows(weights))
    found = _LANGUAGES.search(PurePath(files.origin).name)
    sources, targets = ([options.tag(found[1])], [options.tag(found[2])]) if found else ([], [])
    return ForeignModel(
        format="Marian .npz",
        architecture=architecture,
        codec=codec,
        weights=weights,
        directions=choose_directions(options, sources, targets),
        storage="float32",
        details={"marian_version": settings.get("version", ""), "files": [name, *vocabularies]},
    )


def parse_npz(content: bytes, origin: object) -> MarianTensors:
    """The tensors of a .npz by name; nothing in it is unpickled. Raises InvalidInputError, which begins with `origin`,
    for a damaged file, and for one whose arrays are larger than itself."""
    tensors: MarianTensors = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                if info.file_size > 1000 * max(1, info.compress_size):
                    raise InvalidInputError(f"{origin}: {info.filename} is packed more than a thousand times")
                tensors[info.filename.removesuffix(".npy")] = MarianTensor(_parse_array(archive.read(info)))
    except InvalidInputError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, MemoryError) as error:
        raise InvalidInputError(f"{origin}: no .npz, or damaged: {' '.join(str(error).split())}") from error
    return tensors


def _parse_array(content: bytes) -> NDArray[Any]:
    """The array of a .npy. Raises ValueError if it is damaged or holds Python objects."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, type_ = read(file, max_header_size=_MAX_HEADER)
    if type_.hasobject:
        raise ValueError("it holds Python objects")
    if math.prod(shape) * type_.itemsize != len(content) - file.tell():
        raise ValueError(f"an array of the shape {list(shape)} has {len(content) - file.tell():,} bytes")
    values = np.frombuffer(content, type_, offset=file.tell())
    return values.reshape(shape[::-1]).T if is_fortran else values.reshape(shape)
