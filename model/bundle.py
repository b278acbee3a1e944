"""A trained model as a self-contained folder. Free of torch; `model.network.storage` handles the weights.

config.json           architecture, directions, scores, provenance
weights.safetensors   see dragoman.model.network.storage
vocabulary.model      SentencePiece, or source.model and target.model if the vocabulary is not joint
codec.json            optional: the vocabulary is foreign, see dragoman.model.foreign_vocabulary
README.md             the model card
shortlist.safetensors optional: see dragoman.model.shortlist
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from dragoman.model.codec import Codec
from dragoman.model.config import Architecture, Direction, VocabularyShape
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.model.files import MAX_BYTES, new_folder, read_bytes, write_atomically
from dragoman.model.foreign_vocabulary import is_foreign, read_foreign_vocabulary
from dragoman.model.tables import TABLE, check_fields, read_table, told
from dragoman.model.vocabulary import Vocabulary

SHIPPED_BUNDLES = Path(__file__).parent / "bundles"
"""The bundles that come with the package."""

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "weights.safetensors", "README.md"

Storage = Literal["int8", "float16", "float32"]


@dataclass(frozen=True, kw_only=True)
class BundleScore:
    """A score that `dragoman evaluate` reproduces."""

    direction: Direction
    test_set: str = field(metadata=told())
    metric: str = field(metadata=told('Such as "BLEU".'))
    score: float = field(metadata=told())
    signature: str = field(metadata=told("sacreBLEU's, which states how the score was computed."))
    beam_size: int = field(default=4, metadata=told("Of the search that made the translations."))
    length_penalty: float = field(default=1.0, metadata=told("Likewise."))

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class CopiedWord:
    """A word that a model copies."""

    word: str = field(metadata=told(min_length=1))
    rate: float = field(metadata=told("Share of sentences from whose translation it came out exactly once."))

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class MeasuredCopying:
    """The words that a model copies in a direction, best first: they stand in for what it must not change."""

    direction: Direction
    names: tuple[CopiedWord, ...] = field(default=(), metadata=told("Those that stand like a name."))
    numbers: tuple[CopiedWord, ...] = field(default=(), metadata=told("Those that stand like a number."))

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class BundleConfig:
    """config.json."""

    format_version: Literal[1] = 1
    name: str = field(metadata=told())
    directions: tuple[Direction, ...] = field(metadata=told(min_length=1))
    architecture: Architecture
    vocabulary: VocabularyShape
    storage: Storage
    num_parameters: int = field(metadata=told(gt=0))
    scores: tuple[BundleScore, ...] = field(default=(), metadata=told())
    fluent_length: int | None = field(
        default=None,
        metadata=told("Pieces of a source sentence up to which no clause is lost; longer ones are cut.", gt=0),
    )
    copying: tuple[MeasuredCopying, ...] = field(
        default=(), metadata=told("The words that it copies, as `dragoman probe` found.")
    )
    provenance: dict[str, Any] = field(
        default_factory=dict, metadata=told("How it was trained; for people, read by no program.")
    )

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)
        self.architecture.check_vocabulary(joint=self.vocabulary.joint)

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """The direction into a language. The source language may be omitted if only one leads there.

        Raises NotFoundError that lists the known directions, InvalidInputError if several sources are possible.
        """
        fitting = [
            direction
            for direction in self.directions
            if direction.target == target_language and source_language in (None, direction.source)
        ]
        if len(fitting) == 1:
            return fitting[0]
        known = ", ".join(map(str, self.directions))
        if fitting:
            raise InvalidInputError(f'"{self.name}" translates to "{target_language}" from several languages: {known}')
        wanted = f'to "{target_language}"'
        if source_language:
            wanted = f'from "{source_language}" {wanted}'
        raise NotFoundError(f'"{self.name}" does not translate {wanted}; it knows {known}')


def find_bundle(name_or_path: str) -> Path:
    """The folder of a bundle, given by path or by the name of one that ships with the package.

    A bare name means the shipped bundle, even if a folder in the working directory has the same name: `./NAME` means
    the folder. Raises NotFoundError that lists the shipped bundles.
    """
    shipped = {path.name: path for path in shipped_bundles()}
    if name_or_path in shipped:
        return shipped[name_or_path]
    if os.path.isdir(name_or_path):  # pathlib's is_dir raises for a name that no file can have
        return Path(name_or_path)
    at_hand = ", ".join(shipped) or "none"
    raise NotFoundError(f'there is no bundle "{name_or_path}": give a folder, or one of those shipped ({at_hand})')


def shipped_bundles() -> list[Path]:
    """The folders of all shipped bundles, ordered by name."""
    return sorted(path.parent for path in SHIPPED_BUNDLES.glob(f"*/{CONFIG_FILE}"))


def read_config(folder: Path) -> BundleConfig:
    """Raises InvalidInputError naming the file and key at fault."""
    path = folder / CONFIG_FILE
    return read_table(BundleConfig, read_file(path), path)


def read_vocabulary(folder: Path, info: BundleConfig) -> Codec:
    """Raises InvalidInputError naming the file that is missing, damaged or of another size than the configuration."""
    shape = info.vocabulary
    vocabulary = read_codec(folder, joint=shape.joint, read_file=read_file)
    files = list(vocabulary.files())
    source_path, target_path = folder / files[0], folder / files[-1]
    for path, found, due in (
        (source_path, vocabulary.source.size, shape.source_size),
        (target_path, vocabulary.target.size, shape.target_size),
    ):
        if found != due:
            raise InvalidInputError(f"{path}: has {found} pieces, but {CONFIG_FILE} says {due}")
    if vocabulary.shape != shape:
        raise InvalidInputError(f"{folder / CONFIG_FILE}: vocabulary: has special ids that the vocabulary has not")
    for direction in info.directions:
        try:
            vocabulary.frame(direction)
        except NotFoundError as error:
            raise InvalidInputError(f"{source_path}: {error}, but {CONFIG_FILE} lists {direction}") from error
    return vocabulary


def read_codec(folder: Path, *, joint: bool, read_file: Callable[[Path], bytes]) -> Codec:
    """The vocabulary in a folder, one that Dragoman trained or a foreign one. Raises what read_file raises, and
    InvalidInputError that names a damaged file."""
    if is_foreign(folder):
        return read_foreign_vocabulary(folder, read_file)
    return Vocabulary.read(folder, joint=joint, read_file=read_file)


def read_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """A bundle's file. Raises InvalidInputError if it is missing, has more than max_bytes, or cannot be read."""
    try:
        return read_bytes(path, max_bytes)
    except NotFoundError as error:
        raise InvalidInputError(f"{path}: the bundle lacks this file") from error


def write_bundle(
    folder: Path,
    info: BundleConfig,
    vocabulary: Codec,
    weights: bytes,
    card: str,
    more: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Writes a bundle aside, then replaces an older one by it. more: optional files, such as a shortlist, by name.

    Raises DragomanError if it cannot be written; an older bundle then stays.
    """
    if folder.exists() and not (folder / CONFIG_FILE).exists():
        raise DragomanError(f"{folder}: exists and is no bundle: it will not be replaced by one")
    files: Mapping[str, bytes | str] = {
        CONFIG_FILE: config_json(info),
        WEIGHTS_FILE: weights,
        CARD_FILE: card,
        **vocabulary.files(),
        **more,
    }
    try:
        with new_folder(folder) as aside:
            for name, content in files.items():
                write_atomically(aside / name, content)
    except OSError as error:
        raise DragomanError(f"{folder}: the bundle cannot be written: {error.strerror or error}") from error


def config_json(info: BundleConfig) -> str:
    """The content of config.json."""
    return json.dumps(asdict(info), indent=2, ensure_ascii=False) + "\n"


def bundle_revision(folder: Path) -> str:
    """Identifies a bundle's weights among those of the same name: 16 hexadecimal digits of their file's SHA-256."""
    return file_revision(folder / WEIGHTS_FILE)


def file_revision(path: Path) -> str:
    """16 hexadecimal digits of a file's SHA-256. Raises InvalidInputError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except FileNotFoundError as error:
        raise InvalidInputError(f"{path}: the bundle lacks this file") from error
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error


def size_on_disk(folder: Path) -> int:
    """Bytes of all files of a bundle."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
