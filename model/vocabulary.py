"""From text to piece ids and back: SentencePiece (Kudo and Richardson 2018) with reserved language tags."""

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import sentencepiece

from dragoman.model.codec import Frame
from dragoman.model.config import Direction, VocabularyShape
from dragoman.model.errors import InvalidInputError, NotFoundError

MAX_PIECE_TRAINING_BYTES = 16384
"""Longer lines, in bytes, are left out of the vocabulary's training."""

MAX_REMEMBERED = 1024
"""Texts of pieces that are remembered: a hypothesis is read by the checks and then as the translation."""

_PAD_ID, _UNK_ID, _BOS_ID, _EOS_ID = 0, 1, 2, 3
"""Special ids of every vocabulary trained here. All other modules take them from `Vocabulary.shape`."""


_JOINT_FILES, _SEPARATE_FILES = ("vocabulary.model", "vocabulary.model"), ("source.model", "target.model")


def language_tag(language: str) -> str:
    """The reserved piece that begins a source sentence and requests a target language (Johnson et al. 2017)."""
    return f"<2{language}>"


def is_language_tag(piece: str) -> bool:
    """Whether a piece is the tag of a language."""
    return piece.startswith("<2") and piece.endswith(">")


class PieceModel:
    """One SentencePiece model. Reserved ids: 0 padding, 1 unknown, 2 beginning and 3 end of sentence.

    Safe to use from several threads.
    """

    def __init__(self, serialized: bytes, path: Path | None = None) -> None:
        """path: its name in errors. Raises InvalidInputError if the bytes are not a SentencePiece model with these
        reserved ids."""
        origin = "" if path is None else f"{path}: "
        self.serialized = serialized
        self.unk_id = _UNK_ID
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=serialized)
        except RuntimeError as error:
            raise InvalidInputError(f"{origin}not a SentencePiece model") from error
        processor = self._processor
        reserved = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
        if reserved != (_PAD_ID, _UNK_ID, _BOS_ID, _EOS_ID):
            raise InvalidInputError(
                f"{origin}its padding, unknown, beginning and end pieces have the ids {reserved}, "
                f"but must have {(_PAD_ID, _UNK_ID, _BOS_ID, _EOS_ID)}"
            )
        self._decode = lru_cache(MAX_REMEMBERED)(lambda ids: str(processor.decode(list(ids))))
        self._unprintable: list[int] | None = None
        self._pieces: list[str] = processor.id_to_piece(list(range(processor.get_piece_size())))

    @property
    def size(self) -> int:
        """Number of pieces, the reserved ones included."""
        return int(self._processor.get_piece_size())

    def encode(self, text: str) -> list[int]:
        """Piece ids of a text; empty for a text of white space and control characters alone."""
        ids: list[int] = self._processor.encode(_without_surrogates(text))
        return ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Piece ids of many texts, on all cores."""
        ids: list[list[int]] = self._processor.encode([_without_surrogates(text) for text in texts], num_threads=-1)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of piece ids; reserved pieces leave no trace."""
        return self._decode(tuple(ids))

    def decode_all(self, sequences: Sequence[Sequence[int]]) -> list[str]:
        """The texts of many sequences of piece ids."""
        texts: list[str] = self._processor.decode([list(ids) for ids in sequences]) if sequences else []
        return texts

    def pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The pieces that ids stand for; "▁" begins a word."""
        return tuple([self._pieces[piece_id] for piece_id in ids])

    def piece_id(self, piece: str) -> int | None:
        """The id of a piece, None if there is none."""
        piece_id: int = self._processor.piece_to_id(_without_surrogates(piece))
        return piece_id if self._pieces[piece_id] == piece else None

    def tag_id(self, language: str) -> int | None:
        """The id of a language's tag, None if there is none."""
        piece_id = self.piece_id(language_tag(language))
        return None if piece_id == _UNK_ID else piece_id

    def type(self) -> Literal["unigram", "bpe", "other"]:
        """How it was learnt."""
        from sentencepiece import sentencepiece_model_pb2 as protobuf  # a tenth of a second, and few need it

        specification = protobuf.ModelProto.FromString(self.serialized).trainer_spec  # type: ignore[attr-defined]
        kinds: dict[int, Literal["unigram", "bpe"]] = {specification.UNIGRAM: "unigram", specification.BPE: "bpe"}
        return kinds.get(specification.model_type, "other")

    def scores(self) -> dict[int, float]:
        """Scores of the pieces that stand for text, by id. In a unigram model they are log probabilities; in a BPE
        model, pieces learnt earlier have higher scores. Reserved pieces, tags and bytes have none."""
        processor = self._processor
        kinds = (processor.is_control, processor.is_unknown, processor.is_unused, processor.is_byte)
        return {
            piece_id: float(processor.get_score(piece_id))
            for piece_id in range(self.size)
            if not any(is_kind(piece_id) for is_kind in kinds)
        }

    def unprintable_ids(self) -> list[int]:
        """Ids that no translation may contain: reserved pieces and tags, except the end of sentence, and the bytes of
        control characters; a line feed, for instance, would break a file with one translation a line."""
        if self._unprintable is None:
            processor = self._processor
            controls = {f"<0x{byte:02X}>" for byte in (*range(0x20), 0x7F)}
            reserved = processor.is_control(list(range(self.size)))
            self._unprintable = [
                piece_id
                for piece_id, piece in enumerate(self._pieces)
                if (reserved[piece_id] and piece_id != _EOS_ID)
                or piece_id == _UNK_ID
                or (piece in controls and processor.is_byte(piece_id))
            ]
        return list(self._unprintable)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The two sides' piece models, the same object twice if the vocabulary is joint. A `model.codec.Codec`."""

    source: PieceModel
    target: PieceModel

    @property
    def joint(self) -> bool:
        return self.source is self.target

    @property
    def shape(self) -> VocabularyShape:
        """See `Codec`."""
        return VocabularyShape(
            source_size=self.source.size,
            target_size=self.target.size,
            joint=self.joint,
            pad_id=_PAD_ID,
            unk_id=_UNK_ID,
            start_id=_BOS_ID,
            eos_id=_EOS_ID,
        )

    def frame(self, direction: Direction) -> Frame:
        """The tag of the target language before, and the end of sentence after every source sentence.

        Raises NotFoundError if the vocabulary has no such tag.
        """
        tag = self.source.tag_id(direction.target)
        if tag is None:
            raise NotFoundError(f'the vocabulary has no tag for the language "{direction.target}"')
        return Frame(before=(tag,), after=(_EOS_ID,))

    def forbidden_ids(self) -> list[int]:
        """See `Codec`."""
        return self.target.unprintable_ids()

    @classmethod
    def read(cls, folder: Path, *, joint: bool, read_file: Callable[[Path], bytes]) -> Self:
        """The vocabulary in a folder. Raises what read_file raises, and InvalidInputError that names a damaged file."""
        paths = [folder / name for name in (_JOINT_FILES if joint else _SEPARATE_FILES)]
        source = PieceModel(read_file(paths[0]), paths[0])
        return cls(source, source if joint else PieceModel(read_file(paths[1]), paths[1]))

    @property
    def file_names(self) -> tuple[str, str]:
        """The file names of the source's and the target's model."""
        return _JOINT_FILES if self.joint else _SEPARATE_FILES

    def files(self) -> dict[str, bytes]:
        """See `Codec`."""
        return dict(zip(self.file_names, (self.source.serialized, self.target.serialized), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceModelOptions:
    """Options for learning a piece model: its size, "unigram" (Kudo 2018) or "bpe" (Sennrich et al. 2016), and whether
    an unseen character falls back to its UTF-8 bytes, 256 pieces, instead of the unknown piece.

    split_digits: each digit is a piece of its own. user_defined: texts that are always one piece.
    normalization: SentencePiece's name of the rule, or `rules`, lines of code points in hexadecimal, a tab between what
        is replaced and its replacement.
    """

    size: int
    type: Literal["unigram", "bpe"] = "unigram"
    byte_fallback: bool = True
    character_coverage: float = 0.9999
    split_digits: bool = False
    user_defined: tuple[str, ...] = ()
    normalization: str = "nmt_nfkc"
    rules: str | None = None


def train_piece_model(sentences: Iterable[str], options: PieceModelOptions, *, languages: Iterable[str]) -> PieceModel:
    """Learns a piece model from sentences, with a tag reserved for each language; the same input gives the same model.

    Raises InvalidInputError if the corpus cannot give a vocabulary of that size, and what reading the sentences raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        normalization: dict[str, Any] = {"normalization_rule_name": options.normalization}
        if options.rules is not None:  # SentencePiece reads them from a file alone
            path = Path(folder) / "rules.tsv"
            path.write_text(options.rules, encoding="utf-8")
            normalization = {"normalization_rule_tsv": str(path)}
        model = _train(sentences, options, languages, normalization)
    return PieceModel(_without_file_name(model.serialized))


def _train(
    sentences: Iterable[str], options: PieceModelOptions, languages: Iterable[str], normalization: Mapping[str, Any]
) -> PieceModel:
    output = io.BytesIO()
    failures: list[Exception] = []

    def texts() -> Iterator[str]:
        try:
            yield from map(_without_surrogates, sentences)
        except Exception as error:  # SentencePiece would hide it behind one of its own
            failures.append(error)

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=texts(),
            model_writer=output,
            model_type=options.type,
            vocab_size=options.size,
            byte_fallback=options.byte_fallback,
            character_coverage=options.character_coverage,
            split_digits=options.split_digits,
            user_defined_symbols=list(options.user_defined),
            **normalization,
            control_symbols=[language_tag(language) for language in sorted(set(languages))],
            pad_id=_PAD_ID,
            unk_id=_UNK_ID,
            bos_id=_BOS_ID,
            eos_id=_EOS_ID,
            max_sentence_length=MAX_PIECE_TRAINING_BYTES,
            hard_vocab_limit=False,  # a small corpus gives fewer unigram pieces rather than an error
            minloglevel=2,
        )
    except RuntimeError as error:
        if failures:
            raise failures[0] from None
        reason = " ".join(str(error).split())
        raise InvalidInputError(f"vocabulary.size {options.size} does not fit the corpus: {reason}") from error
    if failures:
        raise failures[0]
    return PieceModel(output.getvalue())


def _without_file_name(serialized: bytes) -> bytes:
    """A model without the name of the file of its normalization's rules, which is another one each time."""
    from sentencepiece import sentencepiece_model_pb2 as protobuf

    model = protobuf.ModelProto.FromString(serialized)  # type: ignore[attr-defined]
    if not model.normalizer_spec.normalization_rule_tsv:
        return serialized
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    content: bytes = model.SerializeToString()
    return content


def _without_surrogates(text: str) -> str:
    """Lone surrogates, which Python strings may hold but UTF-8 cannot, become question marks."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text
