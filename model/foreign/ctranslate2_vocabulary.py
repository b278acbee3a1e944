"""The vocabularies of CTranslate2's folders: listed pieces, and the SentencePiece models that lie beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import read_bytes
from dragoman.model.foreign.files import Files
from dragoman.model.foreign.languages import find_languages
from dragoman.model.foreign.model import ImportOptions, fit_pieces
from dragoman.model.foreign.moses import MosesWords
from dragoman.model.foreign_vocabulary import ForeignSide, ForeignVocabulary, make_foreign_vocabulary

_SPECIAL = frozenset(("<s>", "</s>", "<pad>", "<blank>", "<unk>", "<mask>", "<bos>", "<eos>"))

_PIECE_MODELS = (
    ("source.spm", "source.model", "sentencepiece.model", "vocabulary.model", "sentencepiece.bpe.model", "spm.model"),
    ("target.spm", "target.model", "sentencepiece.model", "vocabulary.model", "sentencepiece.bpe.model", "spm.model"),
)
"""Names of SentencePiece's models of the source and the target."""

_SPLITTERS = ("bpe.model", "bpe.codes", "codes.bpe", "source.bpe")


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """files: the names of those that were read."""

    source: ForeignSide
    target: ForeignSide
    files: tuple[str, ...]


def read_vocabulary(
    files: Files, beside: Files, settings: Mapping[str, Any], rows: Sequence[int], options: ImportOptions
) -> Vocabularies:
    """The vocabularies of a folder. beside: where SentencePiece's models are. rows: of the embeddings.

    Raises InvalidInputError naming what is missing or damaged."""
    names = [
        files.first(f"{side}_vocabulary.{end}" for end in ("json", "txt") for side in ("shared", kind))
        for kind in ("source", "target")
    ]
    sides: list[ForeignSide] = []
    used: list[str] = []
    for place, name in enumerate(names):
        if name is None:
            raise InvalidInputError(f"{files.origin}: has no {('source', 'target')[place]}_vocabulary")
        model, model_name = _piece_model(beside, place, options)
        words, codes_name = (None, None) if model is not None else _words(beside, place, options)
        if place and name == names[0] and model == sides[0].model and words is None:
            sides.append(sides[0])
            continue
        pieces = _listed(files, name)
        if settings["unk_token"] not in pieces:
            pieces.append(settings["unk_token"])
        known = len(pieces)
        pieces = fit_pieces(pieces, rows[place], str(files.origin / name))
        special = _SPECIAL | {settings[key] for key in ("unk_token", "bos_token", "eos_token", "decoder_start_token")}
        languages = set(find_languages(pieces, options.tag).pieces.values())
        reserved = [
            number
            for number, piece in enumerate(pieces)
            if number >= known or piece in special or piece in languages or piece.startswith("madeupword")
        ]
        unk = pieces.index(settings["unk_token"])
        origin = str(files.origin / name)
        sides.append(ForeignSide(model, pieces, unk_id=unk, reserved=reserved, words=words, origin=origin))
        used += filter(None, (name, model_name, codes_name))
    return Vocabularies(sides[0], sides[1], tuple(dict.fromkeys(name for name in used if name in files)))


def _piece_model(beside: Files, place: int, options: ImportOptions) -> tuple[bytes | None, str | None]:
    """SentencePiece's model of the source (place 0) or the target, and its name; None if there is none."""
    if options.piece_models:
        path = options.piece_models[min(place, len(options.piece_models) - 1)]
        return read_bytes(path), None
    name = beside.first(_PIECE_MODELS[place])
    return (None, None) if name is None else (beside.read(name), name)


def _words(beside: Files, place: int, options: ImportOptions) -> tuple[MosesWords | None, str | None]:
    """What cuts the texts of the source or the target, and the name of its codes; None if there are none."""
    name = beside.first(_SPLITTERS)
    if name is None:
        return None, None
    if not (languages := (options.sources, options.targets)[place]):
        flag = ("--from", "--to")[place]
        raise InvalidInputError(f"{beside.origin}: {name}: the files do not say what language {flag} is: give {flag}")
    return MosesWords(beside.read(name), languages[0], str(beside.origin / name)), name


def _listed(files: Files, name: str) -> list[str]:
    if name.endswith(".json"):
        pieces = files.read_json(name)
        if not isinstance(pieces, list) or not all(isinstance(piece, str) for piece in pieces):
            raise InvalidInputError(f"{files.origin / name}: no list of pieces")
        return list(pieces)
    lines = files.read_text(name).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    if all(line.endswith("\r") for line in lines):
        lines = [line[:-1] for line in lines]
    return lines


def make_codec(
    vocabulary: Vocabularies,
    settings: Mapping[str, Any],
    options: ImportOptions,
    origin: object,
    *,
    is_zero_start: bool,
) -> tuple[ForeignVocabulary, dict[str, str]]:
    """The codec, and the pieces of the languages that it names.

    Converters of other toolkits' models leave the end of the source to the user: Marian's and fairseq's models have
    one, which a start with the end of sentence, or with nothing, gives away. Raises InvalidInputError, which begins
    with `origin`, if a special piece is missing."""
    source, target = vocabulary.source, vocabulary.target
    start = settings["decoder_start_token"]
    if start is None:
        raise InvalidInputError(f"{origin}: decoder_start_token is null: this kind of model is not supported")
    ids = {}
    for key, piece in (("eos_token", settings["eos_token"]), ("decoder_start_token", start)):
        found = target.piece_id(piece)
        if found is None:
            raise InvalidInputError(f'{origin}: {key} is "{piece}", which the target vocabulary lacks')
        ids[key] = found
    pads = [piece_id for piece in ("<pad>", "<blank>") if (piece_id := target.piece_id(piece)) is not None]
    languages = find_languages(source.own_pieces(), options.tag)
    has_end = settings["add_source_eos"] or is_zero_start or start == settings["eos_token"]
    codec = make_foreign_vocabulary(
        source,
        target,
        pad_id=pads[0] if pads and pads[0] < source.size else 0,
        start_id=ids["decoder_start_token"],
        eos_id=ids["eos_token"],
        before=[*([settings["bos_token"]] if settings["add_source_bos"] else []), *languages.before],
        after=[settings["eos_token"]] if has_end else [],
        target_prefix=languages.target,
        languages=languages.pieces,
    )
    return codec, languages.pieces
