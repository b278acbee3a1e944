"""The Python client of the service, blocking and asynchronous; needs no torch."""

import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, Unpack

import grpc

from model.decoding.request import SEARCH_OPTION_NAMES, SearchArguments, Translation
from model.errors import DragomanError, InvalidInputError, InvalidRequestError, InvalidTextError, NotFoundError
from server.messages import ModelDescription, read_models, read_translation, write_search_options
from server.pb.dragoman.v1 import translation_pb2, translation_pb2_grpc

DEFAULT_TIMEOUT = 120.0
"""Seconds that a call may take before the client gives it up, and the server with it."""

STREAM_BATCH_SIZE = 64
"""Texts in each call of `translate_stream`."""

STREAM_CALLS_IN_FLIGHT = 4
"""Calls that `translate_stream` keeps open, so that the server's slots stay full while answers travel."""

_CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # a proxy of the environment is meant for the outside world
    ("grpc.max_receive_message_length", -1),  # the server bounds its answers
    ("grpc.max_send_message_length", -1),  # and what it takes
)

_TEXT_AT_FAULT = re.compile(r"texts\[(?P<index>\d+)\]: (?P<reason>.*)")
"""How the server names a text, see translation.proto."""


class ServerError(DragomanError):
    """The server could not be reached, did not answer in time, or failed."""


class ModelChangedError(ServerError):
    """Of a stream's calls, one was answered by other weights than the rest: the server's model was replaced."""


class Search(SearchArguments, total=False):
    """How to translate; what is left out is the server's default. See `model.decoding.request.SearchOptions` for the
    fields that are not told here.

    source_language:        may be left out where the model and the target language leave only one.
    model:                  may be left out where only one model translates between the languages.
    split_sentences:        whether each text is translated sentence by sentence, so that it may be of any length.
    return_pieces, return_token_log_probs, return_alignment: whether the hypotheses come with these, as with
                            return_attention; otherwise they are empty.
    """

    source_language: str | None
    model: str | None
    split_sentences: bool
    return_pieces: bool
    return_token_log_probs: bool
    return_alignment: bool


class Client:
    """A connection to a server, for use with `with`; threads may share it.

    Every method raises InvalidInputError if the request is at fault, NotFoundError for an unknown model or language,
    and ServerError if no answer comes.
    """

    def __init__(self, address: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """`address` is HOST:PORT; `timeout` holds for every call, in seconds. Connects with the first call."""
        self._peer = _Peer(address, timeout)
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._stub = translation_pb2_grpc.TranslationServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and the calls that run on it."""
        self._channel.close()

    def translate(self, texts: str | Iterable[str], to: str, **search: Unpack[Search]) -> list[Translation]:
        """Translates one text or several in a single call; one translation each, in order."""
        sources = _texts(texts)
        request = _request(sources, to, search)
        try:
            return _translations(sources, self._stub.Translate(request, timeout=self._peer.timeout))
        except grpc.RpcError as error:
            raise self._peer.explain(error) from None

    def translate_stream(
        self,
        texts: Iterable[str],
        to: str,
        *,
        batch_size: int = STREAM_BATCH_SIZE,
        calls_in_flight: int = STREAM_CALLS_IN_FLIGHT,
        revisions: Mapping[str, str] | None = None,
        **search: Unpack[Search],
    ) -> Iterator[Translation]:
        """Translates any number of texts, in order and with constant memory.

        Reads ahead by at most `batch_size * calls_in_flight` texts. Closing the generator cancels its calls.

        All answers come from the same weights, or ModelChangedError is raised before the first of others. revisions:
        of each model that may answer, as `list_models` told them, if it must have these; so that several streams, or
        those of several days, belong together.

        Where the server refuses a text, the InvalidInputError is an InvalidTextError that counts over all texts; where
        it refuses what holds for all of them, it is an InvalidRequestError.
        """
        batches = _batches(texts, batch_size)
        weights = _Weights(revisions)
        calls: deque[tuple[int, list[str], Any]] = deque()  # number of the first text, texts, call
        num_sent = 0
        try:
            while True:
                for batch in itertools.islice(batches, calls_in_flight - len(calls)):
                    call = self._stub.Translate.future(_request(batch, to, search), timeout=self._peer.timeout)
                    calls.append((num_sent, batch, call))
                    num_sent += len(batch)
                if not calls:
                    return
                first, batch, call = calls.popleft()
                response = self._receive(first, call)
                weights.check(response)
                yield from _translations(batch, response)
        finally:
            for _, _, call in calls:
                call.cancel()

    def list_models(self) -> list[ModelDescription]:
        """The models that the server has loaded."""
        request = translation_pb2.ListModelsRequest()
        try:
            return read_models(self._stub.ListModels(request, timeout=self._peer.timeout))
        except grpc.RpcError as error:
            raise self._peer.explain(error) from None

    def _receive(self, first: int, call: Any) -> translation_pb2.TranslateResponse:
        try:
            response: translation_pb2.TranslateResponse = call.result()
            return response
        except grpc.RpcError as error:
            raise self._peer.explain_in_stream(error, first) from None


class AsyncClient:
    """`Client` for asyncio; use it with `async with`, on one event loop. Cancelling a task cancels its call."""

    def __init__(self, address: str, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """`address` is HOST:PORT; `timeout` holds for every call, in seconds. Connects with the first call."""
        self._peer = _Peer(address, timeout)
        self._channel = grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._stub = translation_pb2_grpc.TranslationServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and the calls that run on it."""
        await self._channel.close()

    async def translate(self, texts: str | Iterable[str], to: str, **search: Unpack[Search]) -> list[Translation]:
        """Translates one text or several in a single call; one translation each, in order."""
        sources = _texts(texts)
        request = _request(sources, to, search)
        try:
            return _translations(sources, await self._stub.Translate(request, timeout=self._peer.timeout))
        except grpc.RpcError as error:
            raise self._peer.explain(error) from None

    async def list_models(self) -> list[ModelDescription]:
        """The models that the server has loaded."""
        request = translation_pb2.ListModelsRequest()
        try:
            return read_models(await self._stub.ListModels(request, timeout=self._peer.timeout))
        except grpc.RpcError as error:
            raise self._peer.explain(error) from None


@dataclass(frozen=True, slots=True)
class _Peer:
    """Whom the client talks to, for its error messages."""

    address: str
    timeout: float

    def explain(self, error: Any) -> DragomanError:
        """A gRPC error as one line for a person."""
        code = error.code()
        details = " ".join((error.details() or "").split())
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidInputError(details)
        if code is grpc.StatusCode.NOT_FOUND:
            return NotFoundError(details)
        if code is grpc.StatusCode.UNAVAILABLE:
            return ServerError(f"the server at {self.address} is unavailable: {details}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ServerError(f"the server at {self.address} gave no answer within {self.timeout:g} seconds")
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return ServerError(f"what listens at {self.address} is no Dragoman server, or another version of it")
        return ServerError(f"the server at {self.address} answered {code.name}: {details}")

    def explain_in_stream(self, error: Any, first: int) -> DragomanError:
        """`explain` for one call of many, which begins with text number `first`: nobody sees where calls begin."""
        explained = self.explain(error)
        if not isinstance(explained, InvalidInputError):
            return explained
        if text := _TEXT_AT_FAULT.match(str(explained)):
            return InvalidTextError(first + int(text["index"]), text["reason"])
        return InvalidRequestError(str(explained))


class _Weights:
    """Sees to it that one model, and one revision of it, gives all answers of a stream."""

    def __init__(self, revisions: Mapping[str, str] | None) -> None:
        """revisions: those that are due, by model; None takes what the first answer has."""
        self._due = revisions

    def check(self, response: translation_pb2.TranslateResponse) -> None:
        """Raises ModelChangedError if the answer is of other weights. A server that tells no revision is trusted."""
        model, revision = response.model, response.revision
        if not revision:
            return
        if self._due is not None and self._due.get(model) != revision:
            due = " or ".join(f'"{name}" of revision {known}' for name, known in self._due.items()) or "any other"
            raise ModelChangedError(
                f'the server answers with "{model}" of revision {revision} in place of {due}: it has changed'
            )
        self._due = {model: revision}


def _batches(texts: Iterable[str], batch_size: int) -> Iterator[list[str]]:
    source = iter(texts)
    while batch := list(itertools.islice(source, batch_size)):
        yield batch


def _texts(texts: str | Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _request(texts: Sequence[str], target_language: str, search: Mapping[str, Any]) -> translation_pb2.TranslateRequest:
    options = {name: value for name, value in search.items() if name in SEARCH_OPTION_NAMES}
    rest = {name: value for name, value in search.items() if name not in options}
    try:
        request = translation_pb2.TranslateRequest(
            source_language=rest.pop("source_language", None) or "",
            target_language=target_language,
            model=rest.pop("model", None) or "",
            split_sentences=rest.pop("split_sentences", None),
            search_options=write_search_options(options),
            return_options=_return_options(options.get("return_attention", False), rest),
        )
    except ValueError as error:  # a lone surrogate, or a number out of the field's range
        raise InvalidRequestError(f"the request cannot be encoded: {error}") from error
    if rest:
        raise TypeError(f"unknown arguments: {', '.join(rest)}")
    try:
        request.texts.extend(texts)
    except ValueError as error:  # a lone surrogate
        raise InvalidInputError(f"the request cannot be encoded: {error}") from error
    return request


def _return_options(attention: bool, rest: dict[str, Any]) -> translation_pb2.ReturnOptions | None:
    """Takes what concerns it out of `rest`; None if nothing is asked for."""
    wanted = {name: rest.pop(f"return_{name}", False) for name in ("pieces", "token_log_probs", "alignment")}
    wanted["attention"] = attention
    return translation_pb2.ReturnOptions(**wanted) if any(wanted.values()) else None


def _translations(texts: Sequence[str], response: translation_pb2.TranslateResponse) -> list[Translation]:
    return [read_translation(text, translation) for text, translation in zip(texts, response.translations, strict=True)]
