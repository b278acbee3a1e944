"""Counts the texts and characters of a call's messages, and notes the model that answers."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from dragoman.server.call_context import CallContext

MAX_COUNTED_TEXTS = 65_536
"""Maximal number of a message's texts that are counted one by one: millions of empty texts would block the event loop
for seconds."""


def count_request(call: CallContext, request: Any, num_bytes: int) -> int:
    """Count the texts of a request of `num_bytes`. Returns their characters (code points), or the bytes if there are
    more than MAX_COUNTED_TEXTS."""
    read_texts = _find(_TEXTS, type(request))
    if read_texts is None:
        return 0
    repeated = _find(_REPEATED, type(request))
    if repeated is not None and (num_texts := len(repeated(request))) > MAX_COUNTED_TEXTS:
        call.num_texts += num_texts
        call.num_characters += num_bytes
        return num_bytes
    return call.count(read_texts(request))


def note_model(call: CallContext, response: Any) -> None:
    """Note the model of an answer, if not yet known."""
    if not call.model:
        read_model = _find(_MODELS, type(response))
        if read_model is not None:
            call.model = read_model(response)


def _pairs(request: Any) -> list[str]:
    return [text for pair in request.pairs for text in (pair.source, pair.target)]


_Reader = TypeVar("_Reader")

_TEXTS: Mapping[str, Callable[[Any], Sequence[str]]] = {
    "dragoman.v1.TranslateRequest": lambda request: request.texts,
    "dragoman.v1.TranslateStreamRequest": lambda request: [item.text for item in request.items.items],
    "dragoman.v1.TranslateLiveRequest": lambda request: [request.text],
    "dragoman.v1.ScoreRequest": _pairs,
    "dragoman.v1.DetectLanguageRequest": lambda request: request.texts,
    "google.cloud.translation.v3.TranslateTextRequest": lambda request: request.contents,
    "google.cloud.translation.v3.DetectLanguageRequest": lambda request: [request.content],
}
"""The texts of a request, by full name of its message: Google's classes may not be installed."""

_REPEATED: Mapping[str, Callable[[Any], Sequence[Any]]] = {
    "dragoman.v1.TranslateRequest": lambda request: request.texts,
    "dragoman.v1.TranslateStreamRequest": lambda request: request.items.items,
    "dragoman.v1.ScoreRequest": lambda request: request.pairs,
    "dragoman.v1.DetectLanguageRequest": lambda request: request.texts,
    "google.cloud.translation.v3.TranslateTextRequest": lambda request: request.contents,
}
"""The repeated field with the texts."""

_MODELS: Mapping[str, Callable[[Any], str]] = {
    "dragoman.v1.TranslateResponse": lambda response: response.model,
    "dragoman.v1.TranslateStreamResponse": lambda response: response.started.model,
    "dragoman.v1.TranslateLiveResponse": lambda response: response.started.model,
    "dragoman.v1.ScoreResponse": lambda response: response.model,
}


def _find(readers: Mapping[str, _Reader], kind: type) -> _Reader | None:
    """The reader for a class of messages, either protobuf's or a wrapper, as Google's are."""
    return readers.get(_name_of(kind))


@cache
def _name_of(kind: Any) -> str:
    descriptor = getattr(kind, "DESCRIPTOR", None)
    if descriptor is None and hasattr(kind, "pb"):
        descriptor = kind.pb().DESCRIPTOR
    return getattr(descriptor, "full_name", "")
