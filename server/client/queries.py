"""The queries of both clients: requests from keyword arguments, and the reading of responses."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypedDict, TypeVar

from dragoman.model.decoding.search_options import SEARCH_OPTION_NAMES, LengthNormalization, SearchArguments
from dragoman.model.errors import InvalidInputError, InvalidRequestError
from dragoman.server.client.results import (
    LanguageCandidate,
    LiveTranslation,
    ModelDescription,
    ScoreResult,
    ServerDescription,
    TranslationResult,
    UsageDescription,
    read_detections,
    read_live,
    read_model,
    read_result,
    read_score_result,
    read_server,
    read_usage,
)
from dragoman.translation.terms.glossary import Glossary, forms_in
from dragoman.v1 import translation_pb2 as pb

Answer = TypeVar("Answer")
Filled = TypeVar("Filled")

PriorityName = Literal["interactive", "batch"]

_PRIORITIES = {None: pb.PRIORITY_UNSPECIFIED, "interactive": pb.PRIORITY_INTERACTIVE, "batch": pb.PRIORITY_BATCH}
_FORMATS = {None: pb.TEXT_FORMAT_UNSPECIFIED, "plain": pb.TEXT_FORMAT_PLAIN, "html": pb.TEXT_FORMAT_HTML}
_RETURNED = ("pieces", "token_log_probs", "alignment", "attention", "sentences")


class Search(SearchArguments, total=False):
    """Options of a translation; by default the server's. `model.decoding.search_options.SearchOptions` describes the
    fields that are missing here.

    source_language:  "auto" detects each text's language; without it, the only possible source language, or "auto" if
                      there are several.
    model:            by default the first that the server lists for the languages.
    split_sentences:  whether to translate each text sentence by sentence; a text may then be of any length.
    join_lines:       whether to join the lines of wrapped paragraphs, as of e-mail, and to wrap their translations.
    protect:          whether to keep placeholders, addresses, code, figures, emoji and names from translation.
    localize_figures: whether to write figures in the target's notation where they are clear, 1,234.5 as 1.234,5.
    terms:            a glossary, of which at most 1000 terms may fit the languages.
    glossary:         name of a glossary of the server, whose terms apply after those.
    text_format:      "html" keeps tags in their places; by default "plain".
    priority:         "interactive" goes before "batch"; by default "batch" for streams, otherwise "interactive".
    return_pieces, return_token_log_probs, return_alignment, return_sentences: whether hypotheses have these fields,
                      like return_attention; otherwise they are empty.
    """

    source_language: str | None
    model: str | None
    split_sentences: bool
    join_lines: bool
    protect: bool
    localize_figures: bool
    terms: Glossary | None
    glossary: str | None
    text_format: Literal["plain", "html"]
    priority: PriorityName
    return_pieces: bool
    return_token_log_probs: bool
    return_alignment: bool
    return_sentences: bool


class Scoring(TypedDict, total=False):
    """Options of scoring; see `Search`. The default priority is "batch"."""

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


@dataclass(frozen=True, slots=True)
class Query(Generic[Answer]):
    """A call: name of the method, request, and the function that reads the response."""

    method: str
    request: Any
    read: Callable[[Any], Answer]


class Asks(Protocol):
    """The blocking client, for its methods in other files."""

    def _ask(self, query: Query[Answer]) -> Answer: ...


class AsksLater(Protocol):
    """The asynchronous client."""

    def _ask(self, query: Query[Answer]) -> Awaitable[Answer]: ...


def translate(texts: str | Iterable[str], to: str, search: Mapping[str, Any]) -> Query[list[TranslationResult]]:
    """The query of Translate. Raises InvalidRequestError for options, or InvalidInputError for a text, that cannot be
    encoded."""
    sources = text_list(texts)
    request = pb.TranslateRequest(**_translating_fields(to, search))
    fill(lambda: request.texts.extend(sources))
    return Query(
        "Translate",
        request,
        lambda response: [
            read_result(text, message) for text, message in zip(sources, response.translations, strict=True)
        ],
    )


def stream_config(to: str, search: Mapping[str, Any]) -> pb.TranslateStreamConfig:
    """The options of a stream. Raises InvalidRequestError for options that cannot be encoded."""
    return pb.TranslateStreamConfig(**_translating_fields(to, search))


def translate_live(text: str, to: str, search: Mapping[str, Any]) -> Query[LiveTranslation]:
    """The query of TranslateLive. Raises InvalidInputError for a text that cannot be encoded."""
    request = pb.TranslateLiveRequest(**_translating_fields(to, search))
    fill(lambda: setattr(request, "text", text))
    return Query("TranslateLive", request, lambda response: read_live(text, response))


def score(pairs: Iterable[tuple[str, str]], to: str, scoring: Mapping[str, Any]) -> Query[list[ScoreResult]]:
    """Raises InvalidRequestError, or InvalidInputError for a text, that cannot be encoded."""
    given = list(pairs)
    rest = dict(scoring)
    options = {name: rest.pop(name, None) for name in ("length_penalty", "length_normalization", "coverage_penalty")}
    fields = _fields(to, rest, pb.ScoringOptions, "scoring_options", options)
    request = pb.ScoreRequest(**fields)
    fill(lambda: request.pairs.extend(pb.TextPair(source=source, target=target) for source, target in given))
    return Query(
        "Score",
        request,
        lambda response: [
            read_score_result(*pair, message) for pair, message in zip(given, response.scores, strict=True)
        ],
    )


def detect_language(texts: str | Iterable[str], max_candidates: int) -> Query[list[list[LanguageCandidate]]]:
    """The query of DetectLanguage. Raises InvalidInputError for a text that cannot be encoded."""
    given = text_list(texts)
    request = pb.DetectLanguageRequest()
    fill(lambda: setattr(request, "max_candidates", max_candidates))
    fill(lambda: request.texts.extend(given))
    return Query("DetectLanguage", request, lambda response: read_detections(given, response))


def list_models(page_token: str) -> Query[tuple[list[ModelDescription], str]]:
    """The query of ListModels: a page of models, and the token of the next page."""
    return Query(
        "ListModels",
        pb.ListModelsRequest(page_token=page_token),
        lambda response: ([read_model(model) for model in response.models], response.next_page_token),
    )


def get_model(name: str) -> Query[ModelDescription]:
    """The query of GetModel. Raises InvalidInputError for a name that cannot be encoded."""
    request = pb.GetModelRequest()
    fill(lambda: setattr(request, "name", name))
    return Query("GetModel", request, lambda response: read_model(response.model))


def get_server() -> Query[ServerDescription]:
    """The query of GetServer."""
    return Query("GetServer", pb.GetServerRequest(), read_server)


def get_usage() -> Query[UsageDescription]:
    """The query of GetUsage."""
    return Query("GetUsage", pb.GetUsageRequest(), read_usage)


def text_list(texts: str | Iterable[str]) -> list[str]:
    """The texts of a call, of which a single one need not be in a list."""
    return [texts] if isinstance(texts, str) else list(texts)


def fill(write: Callable[[], Filled]) -> Filled:
    """Fill a request. Raises InvalidInputError for a lone surrogate, which UTF-8 cannot encode, or a number out of
    range."""
    try:
        return write()
    except ValueError as error:
        raise InvalidInputError(f"the request cannot be encoded: {error}") from error


def _translating_fields(to: str, search: Mapping[str, Any]) -> dict[str, Any]:
    """The common fields of all translation requests."""
    rest = dict(search)
    options = {name: rest.pop(name) for name in SEARCH_OPTION_NAMES if name in rest and name != "return_attention"}
    terms = rest.pop("terms", None)
    own = {
        "split_sentences": rest.pop("split_sentences", None),
        "join_lines": rest.pop("join_lines", None),
        "protect": rest.pop("protect", None),
        "localize_figures": rest.pop("localize_figures", None),
        "terms": [] if terms is None else write_terms(terms, rest.get("source_language"), to),
        "glossary": rest.pop("glossary", None) or "",
        "text_format": _number_of(_FORMATS, "text_format", rest),
    }
    return own | _fields(to, rest, pb.SearchOptions, "search_options", options)


def write_terms(glossary: Glossary, source_language: str | None, to: str) -> list[pb.Term]:
    """A glossary's terms for a call. Raises InvalidRequestError if the source language cannot be known."""
    others = [language for language in glossary.languages if language.lower() != to.lower()]
    if source_language in (None, "", "auto"):
        if len(others) != 1:
            raise InvalidRequestError(f"terms: name source_language, one of {', '.join(others)}")
        source_language = others[0]
    assert source_language is not None
    return [
        pb.Term(
            source=source,
            targets=() if entry.is_kept else targets,
            do_not_translate=entry.is_kept,
            match_case=entry.is_exact,
        )
        for entry in glossary.entries
        if (targets := forms_in(entry, to))
        for source in forms_in(entry, source_language)
    ]


def _fields(to: str, rest: dict[str, Any], kind: Any, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The common fields of all requests to a model. rest: the caller's remaining arguments."""
    wanted = {field: rest.pop(f"return_{field}", False) for field in _RETURNED}
    try:
        fields: dict[str, Any] = {
            "target_language_code": to,
            "source_language_code": rest.pop("source_language", None) or "",
            "model": rest.pop("model", None) or "",
            "priority": _number_of(_PRIORITIES, "priority", rest),
            "return_options": pb.ReturnOptions(**wanted) if any(wanted.values()) else None,
            name: write_options(kind, options),
        }
        probe = dict(fields)
        probe.pop(name)
        pb.TranslateRequest(**probe)
    except ValueError as error:  # a lone surrogate, or a number out of the field's range
        raise InvalidRequestError(f"the request cannot be encoded: {error}") from error
    if rest:
        raise TypeError(f"unknown arguments: {', '.join(rest)}")
    return fields


def write_options(kind: Any, options: Mapping[str, Any]) -> Any:
    """A message of options, with those that are given and not None.

    Raises ValueError or TypeError for a value that cannot be encoded, TypeError for an unknown name.
    """
    given = {name: value for name, value in options.items() if value is not None}
    normalization = given.pop("length_normalization", None)
    if normalization is not None:
        given["length_normalization"] = pb.LengthNormalization.Value(f"LENGTH_NORMALIZATION_{normalization.upper()}")
    return kind(**given)


def _number_of(numbers: Mapping[str | None, int], name: str, rest: dict[str, Any]) -> int:
    """The enum value of an argument."""
    value = rest.pop(name, None)
    if value not in numbers:
        known = " or ".join(f'"{known}"' for known in numbers if known)
        raise InvalidRequestError(f'{name} is "{value}", but must be {known}')
    return numbers[value]
