"""The vocabulary of a model that another toolkit trained: its own ids, special pieces and framing, as data.

Files of a bundle:

codec.json       `CodecConfig`: special ids, framing, the languages' pieces
*.codes          subword-nmt's merges, if there are Moses' tokens
*.model          SentencePiece's models, as they were; none if the pieces of a text are separated by spaces
*.pieces.json    every piece in the order of its id, where that is not SentencePiece's
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sentencepiece

from dragoman.model.codec import Frame
from dragoman.model.config import Direction, VocabularyShape
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.tables import TABLE, check_fields, read_table, told

if TYPE_CHECKING:
    from dragoman.model.foreign.moses import MosesWords

CODEC_FILE = "codec.json"

SOURCE_LANGUAGE, TARGET_LANGUAGE = "{source}", "{target}"
"""In a framing, stand for the piece of the source's and of the target's language."""

MAX_REMEMBERED = 1024
"""Texts of pieces that are remembered."""

_SPACE = "▁"
_CONTROL = re.compile("[\\x00-\\x1f\\x7f]")
_CONTROLS = frozenset(f"<0x{byte:02X}>" for byte in (*range(0x20), 0x7F))


@dataclass(frozen=True, kw_only=True)
class SideConfig:
    """One side of codec.json."""

    model: Literal["vocabulary.model", "source.model", "target.model"] | None = field(
        metadata={"description": "SentencePiece's model; none: the pieces of a text are separated by spaces."}
    )
    pieces: Literal["vocabulary.pieces.json", "source.pieces.json", "target.pieces.json"] | None = field(
        metadata={"description": "The list of all pieces; none: the ids are those of SentencePiece's model."}
    )
    unk_id: int = field(metadata=told("The piece for what has none.", ge=0))
    reserved: tuple[int, ...] = field(metadata=told("Ids that stand for no text."))
    codes: Literal["vocabulary.codes", "source.codes", "target.codes"] | None = field(
        default=None,
        metadata={"description": "subword-nmt's merges, by which tokens of Moses are split; none: there are none."},
    )
    moses: str | None = field(default=None, metadata=told("The language whose rules Moses' tokenizer follows."))

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """codec.json. before, after, target: see `Frame`; each is a piece, "{source}" or "{target}"."""

    format_version: Literal[1] = 1
    source: SideConfig
    target: SideConfig
    joint: bool = field(metadata=told("Source and target have the same pieces, though perhaps other models."))
    pad_id: int = field(metadata=told(ge=0))
    start_id: int = field(metadata=told(ge=0))
    eos_id: int = field(metadata=told(ge=0))
    banned: tuple[int, ...] = field(default=(), metadata=told("Target ids that no translation may contain."))
    before: tuple[str, ...] = field(default=(), metadata=told())
    after: tuple[str, ...] = field(default=(), metadata=told())
    target_prefix: tuple[str, ...] = field(default=(), metadata=told())
    languages: dict[str, str] = field(default_factory=dict, metadata=told("The piece of each language that has one."))

    __pydantic_config__ = TABLE

    def __post_init__(self) -> None:
        check_fields(self)


class ForeignSide:
    """The pieces of one side. Safe to use from several threads. See `model.codec.Side`."""

    def __init__(
        self,
        serialized: bytes | None,
        pieces: Sequence[str] | None,
        *,
        unk_id: int,
        reserved: Iterable[int],
        words: "MosesWords | None" = None,
        origin: str = "",
    ) -> None:
        """serialized: SentencePiece's model, None if spaces separate pieces. pieces: in the order of their ids, None
        for SentencePiece's own. reserved: ids that stand for no text. words: cuts and joins texts in place of spaces.

        Raises InvalidInputError, which begins with `origin`, for a damaged model, repeated pieces, or ids beyond."""
        prefix = f"{origin}: " if origin else ""
        self.words = words
        self.model, self.has_own_pieces = serialized, pieces is not None
        self._processor = None
        if serialized is not None:
            try:
                self._processor = sentencepiece.SentencePieceProcessor(model_proto=serialized)
            except RuntimeError as error:
                raise InvalidInputError(f"{prefix}not a SentencePiece model") from error
        # Without a list, all is left to the model: copies of its pieces would take as much memory as the model.
        self._pieces, self._ids = None if pieces is None else list(pieces), dict[str, int]()
        self._from_model: list[int] | None = None
        if self._pieces is not None:
            for piece_id, piece in enumerate(self._pieces):
                self._ids.setdefault(piece, piece_id)
            self._from_model = [self._ids.get(piece, unk_id) for piece in self._model_pieces()]
            self.size = len(self._pieces)
        elif self._processor is None:
            raise InvalidInputError(f"{prefix}has neither a SentencePiece model nor a list of pieces")
        else:
            self.size = int(self._processor.get_piece_size())
        self.unk_id, self.reserved = unk_id, frozenset(reserved)
        if beyond := [piece for piece in (unk_id, *self.reserved) if not 0 <= piece < self.size]:
            raise InvalidInputError(f"{prefix}has {self.size} pieces, but none with the id {beyond[0]}")
        self._decode = lru_cache(MAX_REMEMBERED)(self._join)

    @property
    def serialized(self) -> bytes:
        """What distinguishes it from other vocabularies."""
        codes = b"" if self.words is None else self.words.codes
        return (self.model or b"") + codes + (json.dumps(self._pieces).encode() if self.has_own_pieces else b"")

    def _model_pieces(self) -> list[str]:
        """Those of the model, by its ids."""
        found = self._processor
        return [] if found is None else list(found.id_to_piece(list(range(found.get_piece_size()))))

    def encode(self, text: str) -> list[int]:
        """See `Side`."""
        if self._processor is None:
            pieces = text.split() if self.words is None else self.words.split(_without_surrogates(text))
            return [self._ids.get(piece, self.unk_id) for piece in pieces]
        return self._own_ids(self._processor.encode(_without_surrogates(text)))

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """See `Side`."""
        if self._processor is None:
            return [self.encode(text) for text in texts]
        encoded = self._processor.encode([_without_surrogates(text) for text in texts], num_threads=-1)
        return [self._own_ids(ids) for ids in encoded]

    def _own_ids(self, ids: list[int]) -> list[int]:
        own = self._from_model
        return ids if own is None else [own[piece_id] for piece_id in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """See `Side`."""
        return self._decode(tuple(ids))

    def decode_all(self, sequences: Sequence[Sequence[int]]) -> list[str]:
        """See `Side`."""
        return [self._join(ids) for ids in sequences]

    def _join(self, ids: Sequence[int]) -> str:
        pieces = self._written([piece_id for piece_id in ids if piece_id not in self.reserved])
        if self._processor is None:
            return " ".join(pieces) if self.words is None else self.words.join(pieces)
        return str(self._processor.decode(pieces)) if pieces else ""

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        """See `Side`."""
        written = self._written(ids)
        if self._processor is None:
            return tuple(
                [
                    piece if piece_id in self.reserved else _SPACE + piece
                    for piece_id, piece in zip(ids, written, strict=True)
                ]
            )
        return tuple(written)

    def _written(self, ids: Sequence[int]) -> list[str]:
        """Pieces as their toolkit writes them."""
        if self._pieces is not None:
            return [self._pieces[piece_id] for piece_id in ids]
        pieces: list[str] = self._processor.id_to_piece([*ids]) if self._processor is not None and len(ids) else []
        return pieces

    def own_pieces(self) -> list[str]:
        """All pieces as their toolkit writes them, by id."""
        return self._model_pieces() if self._pieces is None else list(self._pieces)

    def piece_id(self, piece: str) -> int | None:
        """See `Side`."""
        if self._pieces is None and self._processor is not None:
            known = int(self._processor.piece_to_id(_without_surrogates(piece)))
            return known if self._written([known]) == [piece] else None
        found = self._ids.get(piece)
        if found is None and self._processor is None:
            found = self._ids.get(piece.removeprefix(_SPACE))
        return found

    def type(self) -> Literal["unigram", "bpe", "other"]:
        """See `PieceModel.type`: segmentations of foreign pieces are not sampled."""
        return "other"

    def scores(self) -> dict[int, float]:
        """See `PieceModel.scores`."""
        return {}

    def unprintable_ids(self) -> frozenset[int]:
        """Ids that no translation may contain: reserved ones, the unknown piece and those of control characters."""
        pieces = self.own_pieces()
        controls = {piece_id for piece_id, piece in enumerate(pieces) if piece in _CONTROLS or _CONTROL.search(piece)}
        if self._processor is not None:
            numbers = list(range(self._processor.get_piece_size()))
            kinds = zip(self._processor.is_control(numbers), self._processor.is_unused(numbers), strict=True)
            silent = [number for number, kind in enumerate(kinds) if any(kind)]
            if self._pieces is None:
                controls.update(silent)
            else:
                names = self._processor.id_to_piece(silent) if silent else []
                controls |= {self._ids[piece] for piece in names if piece in self._ids}
        return self.reserved | controls | {self.unk_id}


class ForeignVocabulary:
    """A `model.codec.Codec`. Safe to use from several threads."""

    def __init__(self, source: ForeignSide, target: ForeignSide, config: CodecConfig) -> None:
        """Raises InvalidInputError for a framing with a piece that does not exist."""
        self.source, self.target, self.config = source, target, config
        self.joint = config.joint
        if config.joint and source is not target and source.own_pieces() != target.own_pieces():
            raise InvalidInputError("joint = true, but source and target have different pieces")
        self.shape = VocabularyShape(
            source_size=source.size,
            target_size=target.size,
            joint=config.joint,
            pad_id=config.pad_id,
            unk_id=target.unk_id,
            start_id=config.start_id,
            eos_id=config.eos_id,
        )
        for side, framing in ((source, (*config.before, *config.after)), (target, config.target_prefix)):
            for piece in framing:
                if piece not in (SOURCE_LANGUAGE, TARGET_LANGUAGE) and side.piece_id(piece) is None:
                    raise InvalidInputError(f'the framing has the piece "{piece}", which the vocabulary lacks')
        if any(piece >= target.size for piece in config.banned):
            raise InvalidInputError(f"banned has ids beyond the {target.size} target pieces")
        self._frame = lru_cache(MAX_REMEMBERED)(self._make_frame)

    def frame(self, direction: Direction) -> Frame:
        """See `Codec`."""
        return self._frame(direction)

    def _make_frame(self, direction: Direction) -> Frame:
        config = self.config

        def ids(framing: Sequence[str], side: ForeignSide) -> tuple[int, ...]:
            return tuple(self._framing_id(piece, side, direction) for piece in framing)

        return Frame(
            ids(config.before, self.source), ids(config.after, self.source), ids(config.target_prefix, self.target)
        )

    def _framing_id(self, piece: str, side: ForeignSide, direction: Direction) -> int:
        language = {SOURCE_LANGUAGE: direction.source, TARGET_LANGUAGE: direction.target}.get(piece)
        found = side.piece_id(piece if language is None else self.config.languages.get(language, ""))
        if found is None:
            raise NotFoundError(f'the vocabulary has no piece for the language "{language}"')
        return found

    def forbidden_ids(self) -> list[int]:
        """See `Codec`."""
        return sorted((self.target.unprintable_ids() | set(self.config.banned)) - {self.config.eos_id})

    def files(self) -> dict[str, bytes]:
        """See `Codec`."""
        described = asdict(self.config)
        for table in (described["source"], described["target"]):  # what few have is not in the others' files
            if table["codes"] is None:
                del table["codes"], table["moses"]
        files = {CODEC_FILE: _as_json(described)}
        for side, config in ((self.source, self.config.source), (self.target, self.config.target)):
            if config.model is not None and side.model is not None:
                files[config.model] = side.model
            if config.codes is not None and side.words is not None:
                files[config.codes] = side.words.codes
            if config.pieces is not None:
                files[config.pieces] = _as_json(side.own_pieces())
        return files


def is_foreign(folder: Path) -> bool:
    """Whether a folder holds a foreign vocabulary."""
    return (folder / CODEC_FILE).exists()


def read_foreign_vocabulary(folder: Path, read_file: Callable[[Path], bytes]) -> ForeignVocabulary:
    """The vocabulary in a folder. Raises what read_file raises, and InvalidInputError that names a damaged file."""
    path = folder / CODEC_FILE
    config = read_table(CodecConfig, read_file(path), path)
    source = _read_side(folder, config.source, read_file)
    target = source if config.source == config.target else _read_side(folder, config.target, read_file)
    try:
        return ForeignVocabulary(source, target, config)
    except (InvalidInputError, ValueError) as error:
        raise InvalidInputError(f"{path}: {error}") from error


def _read_side(folder: Path, config: SideConfig, read_file: Callable[[Path], bytes]) -> ForeignSide:
    pieces: Any = None
    if config.pieces is not None:
        path = folder / config.pieces
        content = read_file(path)
        with suppress(ValueError, RecursionError):
            pieces = json.loads(content)
        if not isinstance(pieces, list) or not all(isinstance(piece, str) for piece in pieces):
            raise InvalidInputError(f"{path}: no list of pieces in JSON")
    words = None
    if config.codes is not None:
        from dragoman.model.foreign.moses import MosesWords

        words = MosesWords(read_file(folder / config.codes), config.moses or "en", str(folder / config.codes))
    return ForeignSide(
        None if config.model is None else read_file(folder / config.model),
        pieces,
        unk_id=config.unk_id,
        reserved=config.reserved,
        words=words,
        origin=str(folder / (config.model or config.pieces or CODEC_FILE)),
    )


def make_foreign_vocabulary(
    source: ForeignSide,
    target: ForeignSide,
    *,
    pad_id: int,
    start_id: int,
    eos_id: int,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    target_prefix: Sequence[str] = (),
    languages: Mapping[str, str] | None = None,
    banned: Iterable[int] = (),
    joint: bool | None = None,
) -> ForeignVocabulary:
    """A vocabulary with the names of its files. joint: None: whether both sides have the same pieces. See `CodecConfig`
    for the others."""
    if joint is None:
        joint = source is target or source.own_pieces() == target.own_pieces()
    one_model = source.model == target.model
    one_merging = source.words is not None and target.words is not None and source.words.codes == target.words.codes
    one_list = joint and source.has_own_pieces and target.has_own_pieces

    def describe(side: ForeignSide, name: Literal["source", "target"]) -> SideConfig:
        files: dict[str, Any] = {
            "model": None if side.model is None else f"{'vocabulary' if one_model else name}.model",
            "codes": None if side.words is None else f"{'vocabulary' if one_merging else name}.codes",
            "moses": None if side.words is None else side.words.language,
            "pieces": f"{'vocabulary' if one_list else name}.pieces.json" if side.has_own_pieces else None,
        }
        return SideConfig(
            **files,
            unk_id=side.unk_id,
            reserved=tuple(sorted(side.reserved)),
        )

    config = CodecConfig(
        source=describe(source, "source"),
        target=describe(target, "target"),
        joint=joint,
        pad_id=pad_id,
        start_id=start_id,
        eos_id=eos_id,
        banned=tuple(sorted(set(banned))),
        before=tuple(before),
        after=tuple(after),
        target_prefix=tuple(target_prefix),
        languages=dict(sorted((languages or {}).items())),
    )
    return ForeignVocabulary(source, target, config)


def _as_json(content: object) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=None if isinstance(content, list) else 2) + "\n").encode()


def _without_surrogates(text: str) -> str:
    """Lone surrogates, which Python strings may hold but UTF-8 cannot, become question marks."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text
