"""Converts requests of the contract to orders, and checks the contract's own limits."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from dragoman.model.decoding.search_options import SEARCH_OPTION_NAMES, SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import Priority
from dragoman.server.translating.orders import GivenTerm, ScoreOrder, TextFormat, TranslationOrder, Wanted
from dragoman.translation.terms.glossary import check_forms
from dragoman.v1 import translation_pb2 as pb

TranslatingRequest: TypeAlias = pb.TranslateRequest | pb.TranslateStreamConfig | pb.TranslateLiveRequest

MAX_SUPPRESSED_PIECES = 1024
"""Limit of a request; each piece costs a lookup for every text."""

MAX_TERMS = 1000
"""Most terms of a request."""

MAX_PREFIX_LENGTH = 4096
"""Maximal number of characters of target_prefix, which is tokenized for every text."""

_SCALARS = tuple(
    name
    for name in SEARCH_OPTION_NAMES
    if name not in ("length_normalization", "suppressed_pieces", "return_attention")
)
"""Search options that are fields of the message with the same type."""

_OF_SCORES = ("length_penalty", "coverage_penalty")

_NORMALIZATION = "LENGTH_NORMALIZATION_"
_PRIORITIES: dict[int, Priority] = {pb.PRIORITY_INTERACTIVE: Priority.INTERACTIVE, pb.PRIORITY_BATCH: Priority.BATCH}
_FORMATS: dict[int, TextFormat] = {
    pb.TEXT_FORMAT_UNSPECIFIED: "plain",
    pb.TEXT_FORMAT_PLAIN: "plain",
    pb.TEXT_FORMAT_HTML: "html",
}


MAX_REMEMBERED, MAX_REMEMBERED_BYTES = 256, 1024
"""Most options whose orders are remembered, and their size; reading them costs a tenth of a call."""

_DEFAULTS = SearchOptions()
_NOTHING = Wanted()


def read_order(request: TranslatingRequest, *, default_priority: Priority = Priority.INTERACTIVE) -> TranslationOrder:
    """The order of a request. Raises InvalidInputError that names the field."""
    if request.text_format not in _FORMATS:
        raise InvalidInputError(f"text_format: is {request.text_format}, which has no meaning")
    return TranslationOrder(
        target_language=request.target_language_code,
        source_language=request.source_language_code,
        model=request.model or None,
        options=read_search_options(request.search_options) if request.HasField("search_options") else _DEFAULTS,
        wanted=read_wanted(request.return_options) if request.HasField("return_options") else _NOTHING,
        priority=_read_priority(request.priority, default_priority),
        split_sentences=request.split_sentences if request.HasField("split_sentences") else True,
        join_lines=request.join_lines if request.HasField("join_lines") else True,
        protect=request.protect if request.HasField("protect") else True,
        localize_figures=request.localize_figures,
        text_format=_FORMATS[request.text_format],
        terms=read_terms(request.terms) if request.terms else (),
        glossary=request.glossary,
    )


class Orders:
    """Reads the orders of requests, and remembers those of the last options. For the event loop alone."""

    def __init__(self) -> None:
        self._known: dict[bytes, TranslationOrder] = {}

    def read(self, request: pb.TranslateRequest) -> tuple[TranslationOrder, list[str]]:
        """The order and the texts of a request, which loses its texts. Raises InvalidInputError that names the
        field."""
        texts = list(request.texts)
        request.ClearField("texts")
        options = request.SerializeToString()
        order = self._known.get(options)
        if order is None:
            order = read_order(request)
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            if len(options) <= MAX_REMEMBERED_BYTES:
                self._known[options] = order
        return order, texts


def read_terms(messages: Sequence[pb.Term]) -> tuple[GivenTerm, ...]:
    """The terms of a request. Raises InvalidInputError that names the field."""
    if len(messages) > MAX_TERMS:
        raise InvalidInputError(f"terms: has {len(messages)} terms, but at most {MAX_TERMS} are allowed")
    terms = []
    for place, message in enumerate(messages):
        source, targets = " ".join(message.source.split()), tuple(" ".join(one.split()) for one in message.targets)
        try:
            check_forms((source,))
            check_forms(targets)
            if not source or not all(targets) or bool(targets) is message.do_not_translate:
                raise InvalidInputError("needs a source, and either targets or do_not_translate")
        except InvalidInputError as error:
            raise InvalidInputError(f"terms[{place}]: {error}") from error
        terms.append(GivenTerm(source, targets, message.do_not_translate, message.match_case))
    return tuple(terms)


def read_score_order(request: pb.ScoreRequest) -> ScoreOrder:
    """The order of a ScoreRequest. Raises InvalidInputError that names the field."""
    return ScoreOrder(
        target_language=request.target_language_code,
        source_language=request.source_language_code,
        model=request.model or None,
        options=_read_options(request.scoring_options, _OF_SCORES, beam_size=1),
        wanted=read_wanted(request.return_options),
        priority=_read_priority(request.priority, Priority.BATCH),
    )


def read_wanted(message: pb.ReturnOptions) -> Wanted:
    """The requested contents of each hypothesis."""
    return Wanted(message.pieces, message.token_log_probs, message.attention, message.alignment, message.sentences)


def read_search_options(message: pb.SearchOptions) -> SearchOptions:
    """The search options, with defaults for unset fields. Raises InvalidInputError that names the field."""
    if len(message.suppressed_pieces) > MAX_SUPPRESSED_PIECES:
        raise InvalidInputError(
            f"search_options: suppressed_pieces has {len(message.suppressed_pieces)} pieces, but at most "
            f"{MAX_SUPPRESSED_PIECES} are allowed"
        )
    if len(message.target_prefix) > MAX_PREFIX_LENGTH:
        raise InvalidInputError(
            f"search_options: target_prefix has {len(message.target_prefix)} characters, but at most "
            f"{MAX_PREFIX_LENGTH} are allowed"
        )
    return _read_options(message, _SCALARS, suppressed_pieces=tuple(message.suppressed_pieces))


def _read_options(message: pb.SearchOptions | pb.ScoringOptions, names: Iterable[str], **others: Any) -> SearchOptions:
    chosen: dict[str, Any] = {name: getattr(message, name) for name in names if message.HasField(name)}
    field = "search_options" if isinstance(message, pb.SearchOptions) else "scoring_options"
    try:
        if message.length_normalization:
            chosen["length_normalization"] = _read_normalization(message.length_normalization)
        return SearchOptions(**chosen, **others)
    except InvalidInputError as error:
        raise InvalidInputError(f"{field}: {error}") from error


def _read_normalization(value: int) -> str:
    try:
        return pb.LengthNormalization.Name(value).removeprefix(_NORMALIZATION).lower()
    except ValueError as error:
        raise InvalidInputError(f"length_normalization is {value}, which has no meaning") from error


def _read_priority(value: int, default: Priority) -> Priority:
    if value == pb.PRIORITY_UNSPECIFIED:
        return default
    if value not in _PRIORITIES:
        raise InvalidInputError(f"priority: is {value}, which has no meaning")
    return _PRIORITIES[value]
