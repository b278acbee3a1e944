"""From another toolkit's files to a bundle: finding the format, reading it, describing where the model comes from."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from dragoman.model.bundle import BundleConfig, Storage, write_bundle
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.foreign.bergamot import is_bergamot, read_bergamot
from dragoman.model.foreign.ctranslate2 import MODEL_FILE, read_argos, read_ctranslate2
from dragoman.model.foreign.ctranslate2_variables import is_ctranslate2
from dragoman.model.foreign.files import Files, Folder
from dragoman.model.foreign.huggingface import read_huggingface
from dragoman.model.foreign.marian_npz import read_marian
from dragoman.model.foreign.model import ForeignModel, ImportOptions
from dragoman.model.shortlist import SHORTLIST_FILE, Shortlist
from dragoman.model.weights import count_parameters, pack_tensors

Format = Literal["ctranslate2", "argos", "huggingface", "marian", "bergamot"]
"""The formats by the names that the command line gives them."""

_HEAD_BYTES = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at a path. files: those of the model. main: the one with the weights, if the user named it."""

    format: Format
    files: Files
    main: str | None = None


def find_format(source: Path, wanted: Format | None = None) -> Found:
    """What a file or a folder holds. Raises NotFoundError if it does not exist, and InvalidInputError if it is nothing
    that can be imported."""
    if not source.exists():
        raise NotFoundError(f"{source}: no such file or folder")
    folder = Folder(source if source.is_dir() else source.parent)
    main = None if source.is_dir() else source.name.removesuffix(".gz")
    if wanted is not None:
        return Found(wanted, folder, main)
    names = [main] if main else folder.names()
    if main is not None and main.endswith((".argosmodel", ".zip")):
        return Found("argos", folder, main)
    if any(name.endswith(".npz") for name in names):
        return Found("marian", folder, main)
    if MODEL_FILE in names and is_ctranslate2(_head(folder, MODEL_FILE)):
        return Found("ctranslate2", folder)
    if "config.json" in names and _is_huggingface(folder):
        return Found("huggingface", folder)
    for name in names:
        if name.endswith((".pt", ".pth")):
            raise InvalidInputError(
                f"{source}: {name}: checkpoints of OpenNMT-py and fairseq are not supported; convert them with "
                "CTranslate2, whose folders are"
            )
    candidates = [name for name in names if name.endswith(".bin")]
    for name in candidates:
        if is_bergamot(_head(folder, name)):
            return Found("bergamot", folder, main)
    raise InvalidInputError(f"{source}: no model of a known format; known are {', '.join(get_args(Format))}")


_REFUSED = {
    "fsmt": "FSMT (fairseq's models of WMT19)",
    "nllb-moe": "NLLB with a mixture of experts",
    "t5": "T5",
    "mt5": "mT5",
}


def _is_huggingface(folder: Folder) -> bool:
    """Whether config.json is one of transformers. Raises InvalidInputError for a kind that is known and not read."""
    config = folder.read_object("config.json")
    kind = config.get("model_type")
    if kind in _REFUSED:
        raise InvalidInputError(f"{folder.origin}: {_REFUSED[kind]} is not supported")
    if {"model", "transforms"} <= config.keys():
        raise InvalidInputError(f"{folder.origin}: a model of Eole is not supported")
    return kind is not None


def _head(folder: Folder, name: str) -> bytes:
    path = folder.origin / name
    try:
        with path.open("rb") if path.exists() else gzip.open(f"{path}.gz") as file:
            return file.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(f"{path}: cannot be read: {error}") from error


def read_foreign(found: Found, options: ImportOptions) -> ForeignModel:
    """The model of a format. Raises InvalidInputError naming what is wrong."""
    if found.format == "ctranslate2":
        return read_ctranslate2(found.files, options)
    if found.format == "argos":
        if found.main is None:
            raise InvalidInputError(f"{found.files.origin}: name the file, .argosmodel")
        return read_argos(found.files.origin / found.main, options)
    if found.format == "huggingface":
        return read_huggingface(found.files, options)
    read = {"bergamot": read_bergamot, "marian": read_marian}[found.format]
    return read(found.files, options, found.main)


def import_model(
    source: Path,
    output: Path,
    options: ImportOptions,
    card: Callable[[BundleConfig], str],
    *,
    wanted: Format | None = None,
    name: str | None = None,
    storage: Storage | None = None,
    licence: str | None = None,
    overwrite: bool = False,
) -> BundleConfig:
    """Writes the bundle `output`, and returns its configuration.

    card: the text of a bundle's card. wanted: the format, if it shall not be found by looking. name: the bundle's;
    None: the folder's. storage: None: the one that loses nothing. licence: of the model; None: what its files say.

    Raises NotFoundError or InvalidInputError naming what is wrong with the source, InvalidInputError if the bundle
    exists, DragomanError if it cannot be written; nothing is written then.
    """
    if output.exists() and not overwrite and (not output.is_dir() or any(output.iterdir())):
        raise InvalidInputError(f"{output}: exists already; choose another folder, or give --overwrite")
    found = find_format(source, wanted)
    try:
        model = read_foreign(found, options)
        info = _describe(source, output, found, model, name, storage, licence)
        weights = pack_tensors(model.weights, model.architecture, model.codec.shape, info.storage)
        more = {}
        if model.candidates is not None:
            lists = dict.fromkeys(model.directions, model.candidates)
            more[SHORTLIST_FILE] = Shortlist(lists, model.codec.shape).pack()
    except InvalidInputError as error:
        text = str(error)
        raise InvalidInputError(text if text.startswith(str(source)) else f"{source}: {text}") from error
    except (ValueError, OverflowError, MemoryError) as error:
        raise InvalidInputError(f"{source}: damaged: {' '.join(str(error).split()) or type(error).__name__}") from error
    write_bundle(output, info, model.codec, weights, card(info), more)
    return info


def _describe(
    source: Path,
    output: Path,
    found: Found,
    model: ForeignModel,
    name: str | None,
    storage: Storage | None,
    licence: str | None,
) -> BundleConfig:
    used = model.details.get("files") or [found.main]
    licence = licence or model.licence
    return BundleConfig(
        name=name or output.resolve().name,
        directions=model.directions,
        architecture=model.architecture,
        vocabulary=model.codec.shape,
        storage=storage or model.storage,
        num_parameters=count_parameters(model.architecture, model.codec.shape),
        fluent_length=model.architecture.max_source_length,
        provenance={
            "description": f"Imported from {source.resolve().name}: a model of the format {model.format}.",
            "data": "The data that the model learnt from: see its origin.",
            "licence": f"Licence: {licence}." if licence else "Licence: not stated in the files; see the origin.",
            "imported": {
                "source": source.resolve().name,
                "format": model.format,
                "checksums": {file: found.files.checksum(file) for file in used if file},
                "notes": list(model.notes),
                **{key: value for key, value in model.details.items() if key != "files"},
            },
        },
    )
