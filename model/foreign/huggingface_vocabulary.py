"""The vocabularies of Hugging Face's translation models: listed pieces, SentencePiece's models, languages, framing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sentencepiece

from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.files import Files
from dragoman.model.foreign.languages import NO_LANGUAGES, find_languages
from dragoman.model.foreign.model import ImportOptions, fit_pieces
from dragoman.model.foreign_vocabulary import (
    SOURCE_LANGUAGE,
    TARGET_LANGUAGE,
    ForeignSide,
    ForeignVocabulary,
    make_foreign_vocabulary,
)

_PIECE_MODELS = ("sentencepiece.bpe.model", "sentencepiece.model", "spiece.model", "spm.model")

_FAIRSEQ_PIECES = ["<s>", "<pad>", "</s>", "<unk>"]
"""fairseq's first pieces, in place of SentencePiece's own <unk>, <s> and </s>."""

_OWN_MODEL_SPECIALS = 3

_SPECIAL = frozenset((*_FAIRSEQ_PIECES, "<mask>"))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """languages: the piece of each language that has one. sources, targets: the languages that files name otherwise.
    files: the names of those that were read."""

    codec: ForeignVocabulary
    languages: Mapping[str, str]
    sources: Sequence[str]
    targets: Sequence[str]
    files: tuple[str, ...]


def read_vocabulary(
    files: Files, config: Mapping[str, Any], kind: str, rows: Sequence[int], options: ImportOptions
) -> Vocabulary:
    """The vocabulary of a folder. kind: the model's. rows: of the embeddings. Raises InvalidInputError naming what is
    wrong."""
    settings = files.read_object("tokenizer_config.json") if "tokenizer_config.json" in files else {}
    if kind == "marian":
        return _read_marian(files, config, settings, rows, options)
    model_name = files.first(_PIECE_MODELS)
    if model_name is None:
        raise InvalidInputError(f"{files.origin}: has no SentencePiece model, such as {_PIECE_MODELS[0]}")
    serialized = files.read(model_name)
    used = [model_name]
    if "vocab.json" in files:
        used.append("vocab.json")
        pieces = _listed(files, "vocab.json")
    else:
        pieces = _fairseq_pieces(serialized, str(files.origin / model_name))
    pieces = _with_added(files, settings, pieces)
    known, pieces = len(pieces), fit_pieces(pieces, rows[0], str(files.origin))
    languages = find_languages(pieces, options.tag)
    if not languages.target:
        raise InvalidInputError(f"{files.origin}: its files name no languages, such as tokenizer_config.json would")
    reserved = [
        number
        for number, piece in enumerate(pieces)
        if number >= known or piece in _SPECIAL or piece in languages.pieces.values() or piece.startswith("madeupword")
    ]
    unk = _piece(pieces, settings.get("unk_token", "<unk>"), files)
    side = ForeignSide(serialized, pieces, unk_id=unk, reserved=reserved, origin=str(files.origin / model_name))
    end = _id(config, "eos_token_id", 2, rows[0])
    is_old = bool(settings.get("legacy_behaviour")) and kind == "m2m_100"
    if kind == "mbart" and settings.get("tokenizer_class", "MBart50Tokenizer").startswith("MBartTokenizer"):
        raise InvalidInputError(f"{files.origin}: mBART-25, whose decoder begins with a language, is not supported")
    codec = make_foreign_vocabulary(
        side,
        side,
        pad_id=_id(config, "pad_token_id", 1, rows[0]),
        start_id=_id(config, "decoder_start_token_id", 2, rows[0]),
        eos_id=end,
        before=() if is_old else (SOURCE_LANGUAGE,),
        after=(pieces[end], *([SOURCE_LANGUAGE] if is_old else [])),
        target_prefix=(TARGET_LANGUAGE,),
        languages=languages.pieces,
    )
    return Vocabulary(codec, languages.pieces, (), (), tuple(used))


def _read_marian(
    files: Files,
    config: Mapping[str, Any],
    settings: Mapping[str, Any],
    rows: Sequence[int],
    options: ImportOptions,
) -> Vocabulary:
    lists = ["vocab.json", "target_vocab.json" if settings.get("separate_vocabs") else "vocab.json"]
    models = ["source.spm", "target.spm"]
    sides, languages = [], NO_LANGUAGES
    banned = {word[0] for word in config.get("bad_words_ids") or () if isinstance(word, list) and len(word) == 1}
    for place, (list_name, model_name) in enumerate(zip(lists, models, strict=True)):
        listed = _listed(files, list_name)
        pieces = fit_pieces(listed, rows[place], str(files.origin / list_name))
        if not place:
            languages = find_languages(pieces, options.tag)
        special = {_id(config, key, 0, rows[place]) for key in ("pad_token_id", "eos_token_id")}
        named = {number for number, piece in enumerate(pieces) if piece.startswith(">>") and piece.endswith("<<")}
        unk = _piece(pieces, settings.get("unk_token", "<unk>"), files)
        sides.append(
            ForeignSide(
                files.read(model_name),
                pieces,
                unk_id=unk,
                reserved={*special, *named, unk, *range(len(listed), rows[place])},
                origin=str(files.origin / model_name),
            )
        )
    end = _id(config, "eos_token_id", 0, rows[0])
    codec = make_foreign_vocabulary(
        sides[0],
        sides[1],
        pad_id=_id(config, "pad_token_id", 0, min(rows)),
        start_id=_id(config, "decoder_start_token_id", rows[1] - 1, rows[1]),
        eos_id=end,
        before=languages.before,
        after=(sides[0].own_pieces()[end],),
        languages=languages.pieces,
        banned=[piece for piece in banned if isinstance(piece, int) and 0 <= piece < rows[1]],
    )
    sources, targets = (_named(settings.get(key), options) for key in ("source_lang", "target_lang"))
    return Vocabulary(codec, languages.pieces, sources, targets, tuple(dict.fromkeys((*lists, *models))))


def _named(language: object, options: ImportOptions) -> list[str]:
    """A language that a file names; none if it names a group of languages in a way of its own."""
    if not isinstance(language, str):
        return []
    try:
        return [options.tag(language)]
    except InvalidInputError:
        return []


def _listed(files: Files, name: str) -> list[str]:
    """The pieces of a JSON object from pieces to ids, by id."""
    ids = files.read_object(name)
    if not all(isinstance(number, int) for number in ids.values()) or sorted(ids.values()) != list(range(len(ids))):
        raise InvalidInputError(f"{files.origin / name}: its ids are not 0, 1, 2 and so on")
    return sorted(ids, key=ids.__getitem__)


def _fairseq_pieces(serialized: bytes, origin: str) -> list[str]:
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=serialized)
    except RuntimeError as error:
        raise InvalidInputError(f"{origin}: not a SentencePiece model") from error
    return [*_FAIRSEQ_PIECES, *processor.id_to_piece(list(range(_OWN_MODEL_SPECIALS, processor.get_piece_size())))]


def _with_added(files: Files, settings: Mapping[str, Any], pieces: list[str]) -> list[str]:
    """The pieces with those that were added behind them, by their ids or else in the order of the lists."""
    placed: dict[int, str] = {}
    listed: list[str] = []
    if "tokenizer.json" in files:
        for entry in files.read_object("tokenizer.json").get("added_tokens") or ():
            placed[entry["id"]] = entry["content"]
    placed |= {int(number): entry["content"] for number, entry in (settings.get("added_tokens_decoder") or {}).items()}
    if "added_tokens.json" in files:
        placed |= {number: piece for piece, number in files.read_object("added_tokens.json").items()}
    maps = [settings]
    if "special_tokens_map.json" in files:
        maps.append(files.read_object("special_tokens_map.json"))
    for one in maps:
        for key in ("additional_special_tokens", "extra_special_tokens"):
            listed += _texts(one.get(key))
    pieces = list(pieces)
    first = len(pieces)
    for number in sorted(placed):
        if first <= number < first + len(placed):
            pieces += [f"<unused{gap}>" for gap in range(len(pieces), number)]
            pieces.append(placed[number])
    found = set(pieces)
    pieces += [piece for piece in dict.fromkeys(listed) if piece not in found]
    if "<mask>" not in found and "<mask>" not in listed and len(pieces) > first and pieces[1] == "<pad>":
        pieces += ["<mask>"] if settings.get("mask_token") else []
    return pieces


def _texts(given: object) -> Iterator[str]:
    for entry in given if isinstance(given, list) else ():
        text = entry.get("content") if isinstance(entry, dict) else entry
        if isinstance(text, str):
            yield text


def _piece(pieces: Sequence[str], piece: object, files: Files) -> int:
    text = piece.get("content") if isinstance(piece, dict) else piece
    if text not in pieces:
        raise InvalidInputError(f'{files.origin}: the vocabulary lacks the piece "{text}"')
    return pieces.index(str(text))


def _id(config: Mapping[str, Any], key: str, default: int, size: int) -> int:
    found = config.get(key, default)
    if not isinstance(found, int) or not 0 <= found < size:
        raise InvalidInputError(f"config.json: {key} is {found}, but there are {size:,} pieces")
    return found
