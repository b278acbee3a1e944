"""Requests of both clients, from keyword arguments."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from dragoman.model.decoding.search_options import SEARCH_OPTION_NAMES, LengthNormalization, SearchArguments
from dragoman.model.errors import InvalidInputError, InvalidRequestError
from dragoman.server.grpc.v1.messages import write_search_options
from dragoman.v1 import translation_pb2 as pb

PriorityName = Literal["interactive", "batch"]

_PRIORITIES = {None: pb.PRIORITY_UNSPECIFIED, "interactive": pb.PRIORITY_INTERACTIVE, "batch": pb.PRIORITY_BATCH}


class Search(SearchArguments, total=False):
    """How to translate; what is left out is the server's default. See `model.decoding.search_options.SearchOptions` for
    the fields that are not told here.

    source_language:        may be left out where the model and the target language leave only one.
    model:                  may be left out where only one model translates between the languages.
    split_sentences:        whether each text is translated sentence by sentence, so that it may be of any length.
    priority:               "interactive" goes before "batch"; streams are "batch" by default, all else "interactive".
    return_pieces, return_token_log_probs, return_alignment: whether the hypotheses come with these, as with
                            return_attention; otherwise they are empty.
    """

    source_language: str | None
    model: str | None
    split_sentences: bool
    priority: PriorityName
    return_pieces: bool
    return_token_log_probs: bool
    return_alignment: bool


class Scoring(TypedDict, total=False):
    """How to score; see `Search`. Scores are "batch" by default."""

    source_language: str | None
    model: str | None
    priority: PriorityName
    length_penalty: float
    length_normalization: LengthNormalization
    coverage_penalty: float
    return_pieces: bool
    return_token_log_probs: bool
    return_alignment: bool
    return_attention: bool


def text_list(texts: str | Iterable[str]) -> list[str]:
    """One text or several."""
    return [texts] if isinstance(texts, str) else list(texts)


def translate_request(texts: Sequence[str], to: str, search: Mapping[str, Any]) -> pb.TranslateRequest:
    """Raises InvalidRequestError, or InvalidInputError for a text, that cannot be encoded."""
    request = pb.TranslateRequest(**_fields(to, search))
    _add_texts(request, texts)
    return request


def stream_config(to: str, search: Mapping[str, Any]) -> pb.TranslateStreamRequest:
    """A stream's first message. Raises InvalidRequestError for what cannot be encoded."""
    return pb.TranslateStreamRequest(config=pb.TranslateStreamConfig(**_fields(to, search)))


def live_request(text: str, to: str, search: Mapping[str, Any]) -> pb.TranslateLiveRequest:
    """Raises InvalidInputError for what cannot be encoded."""
    request = pb.TranslateLiveRequest(**_fields(to, search))
    try:
        request.text = text
    except ValueError as error:
        raise _not_encodable(error) from error
    return request


def score_request(pairs: Sequence[tuple[str, str]], to: str, scoring: Mapping[str, Any]) -> pb.ScoreRequest:
    """Raises InvalidRequestError, or InvalidInputError for a text, that cannot be encoded."""
    fields = _fields(to, scoring)
    if fields.pop("split_sentences") is not None:
        raise TypeError("unknown arguments: split_sentences")
    request = pb.ScoreRequest(**fields)
    try:
        request.pairs.extend(pb.TextPair(source=source, target=target) for source, target in pairs)
    except ValueError as error:
        raise _not_encodable(error) from error
    return request


def detect_request(texts: Sequence[str], max_candidates: int) -> pb.DetectLanguageRequest:
    """Raises InvalidInputError for what cannot be encoded."""
    try:
        request = pb.DetectLanguageRequest(max_candidates=max_candidates)
    except ValueError as error:
        raise _not_encodable(error) from error
    _add_texts(request, texts)
    return request


def model_request(name: str) -> pb.GetModelRequest:
    """Raises InvalidInputError for what cannot be encoded."""
    try:
        return pb.GetModelRequest(name=name)
    except ValueError as error:
        raise _not_encodable(error) from error


def _add_texts(request: pb.TranslateRequest | pb.DetectLanguageRequest, texts: Sequence[str]) -> None:
    """Adds texts. Raises InvalidInputError for a lone surrogate, which UTF-8 does not have."""
    try:
        request.texts.extend(texts)
    except ValueError as error:
        raise _not_encodable(error) from error


def _not_encodable(error: ValueError) -> InvalidInputError:
    return InvalidInputError(f"the request cannot be encoded: {error}")


def _fields(to: str, search: Mapping[str, Any]) -> dict[str, Any]:
    """What all requests for a model have in common."""
    options = {name: value for name, value in search.items() if name in SEARCH_OPTION_NAMES}
    rest = {name: value for name, value in search.items() if name not in options}
    try:
        fields: dict[str, Any] = {
            "target_language": to,
            "source_language": rest.pop("source_language", None) or "",
            "model": rest.pop("model", None) or "",
            "priority": _priority(rest.pop("priority", None)),
            "search_options": write_search_options(options),
            "split_sentences": rest.pop("split_sentences", None),
            "return_options": _return_options(options.get("return_attention", False), rest),
        }
        pb.TranslateRequest(**fields)  # tries
    except ValueError as error:  # a lone surrogate, or a number out of the field's range
        raise InvalidRequestError(f"the request cannot be encoded: {error}") from error
    if rest:
        raise TypeError(f"unknown arguments: {', '.join(rest)}")
    return fields


def _priority(name: str | None) -> int:
    if name not in _PRIORITIES:
        raise InvalidRequestError(f'priority is "{name}", but must be "interactive" or "batch"')
    return _PRIORITIES[name]


def _return_options(attention: bool, rest: dict[str, Any]) -> pb.ReturnOptions | None:
    """Takes what concerns it out of `rest`; None if nothing is asked for."""
    wanted = {name: rest.pop(f"return_{name}", False) for name in ("pieces", "token_log_probs", "alignment")}
    wanted["attention"] = attention
    return pb.ReturnOptions(**wanted) if any(wanted.values()) else None
