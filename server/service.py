"""TranslationService: protobuf to dataclass and back, and errors to status codes."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, TypeAlias

import grpc

from model.config import Direction
from model.decoding.request import PreparedText, SearchOptions, Translation
from model.errors import InvalidInputError, NotFoundError
from server.interfaces import ServedTranslator
from server.messages import read_search_options, write_model, write_translation
from server.pb.dragoman.v1 import translation_pb2, translation_pb2_grpc
from server.routing import find_worker
from server.scheduler import MAX_WAITING, QueueFullError
from server.worker import EngineError, Worker, WorkerClosedError

MAX_TEXTS_PER_CALL = 1024
"""Most texts in one Translate call."""

MAX_TEXT_LENGTH = 100_000
"""Most characters of one text, checked before any work is spent on it."""

MAX_PREPARED_INLINE = 1000
"""Most characters of a call that become pieces on the event loop: so few take less time than the way to another
thread."""

logger = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class TranslationService(translation_pb2_grpc.TranslationServiceServicer):
    """Serves the models of `workers`, whose names must differ."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = tuple(workers)
        self._num_running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_until_idle(self) -> None:
        """Returns when no Translate call is running."""
        await self._idle.wait()

    async def Translate(
        self, request: translation_pb2.TranslateRequest, context: Context
    ) -> translation_pb2.TranslateResponse:
        """See translation.proto. A cancelled call, or one past its deadline, gives its slots back."""
        self._num_running += 1
        self._idle.clear()
        try:
            return await self._translate(request)
        except Exception as error:
            await _abort(context, error)
            raise
        finally:
            self._num_running -= 1
            if not self._num_running:
                self._idle.set()

    async def ListModels(
        self, request: translation_pb2.ListModelsRequest, context: Context
    ) -> translation_pb2.ListModelsResponse:
        """See translation.proto."""
        return translation_pb2.ListModelsResponse(models=[write_model(worker.translator) for worker in self._workers])

    async def _translate(self, request: translation_pb2.TranslateRequest) -> translation_pb2.TranslateResponse:
        texts = list(request.texts)
        _check_limits(texts)
        if not request.target_language:
            raise InvalidInputError("target_language: is empty; name the language to translate into")
        worker, direction = find_worker(
            self._workers, request.model or None, request.source_language or None, request.target_language
        )
        options = read_search_options(request.search_options, request.return_options)
        split = request.split_sentences if request.HasField("split_sentences") else True
        if sum(map(len, texts)) <= MAX_PREPARED_INLINE:
            prepared = _prepare(worker.translator, texts, direction, options, split)
        else:  # on another thread: a full batch would hold up the event loop, and so every other call
            prepared = await asyncio.to_thread(_prepare, worker.translator, texts, direction, options, split)
        translations = await worker.translate(prepared)
        response = translation_pb2.TranslateResponse(
            model=worker.translator.name,
            source_language=direction.source,
            revision=worker.translator.revision,
        )
        if request.HasField("return_options"):  # it may be megabytes: likewise on another thread
            await asyncio.to_thread(_add_translations, response, translations, request.return_options)
        else:
            _add_translations(response, translations, request.return_options)
        return response


def _check_limits(texts: Sequence[str]) -> None:
    if len(texts) > MAX_TEXTS_PER_CALL:
        raise InvalidInputError(f"texts: {len(texts)} texts in one call, but at most {MAX_TEXTS_PER_CALL} are allowed")
    for index, text in enumerate(texts):
        if len(text) > MAX_TEXT_LENGTH:
            raise InvalidInputError(
                f"texts[{index}]: has {len(text)} characters, but at most {MAX_TEXT_LENGTH} are allowed"
            )


def _prepare(
    translator: ServedTranslator, texts: Sequence[str], direction: Direction, options: SearchOptions, split: bool
) -> list[PreparedText]:
    prepared = []
    num_sentences = 0
    for index, text in enumerate(texts):
        try:
            prepared.append(translator.prepare(text, direction, options, split_sentences=split))
        except InvalidInputError as error:
            raise InvalidInputError(f"texts[{index}]: {error}") from error
        num_sentences += len(prepared[-1].segments)
        if num_sentences > MAX_WAITING:  # not only when all are prepared: they take far more memory than their texts
            raise InvalidInputError(f"texts: more than {MAX_WAITING} sentences in one call: send fewer")
    return prepared


def _add_translations(
    response: translation_pb2.TranslateResponse,
    translations: Sequence[Translation],
    wanted: translation_pb2.ReturnOptions,
) -> None:
    response.translations.extend(write_translation(translation, wanted) for translation in translations)


_STATUS_CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (QueueFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (WorkerClosedError, grpc.StatusCode.UNAVAILABLE),
    (EngineError, grpc.StatusCode.INTERNAL),  # the worker has logged it
)


async def _abort(context: Context, error: Exception) -> None:
    """Ends the call with the status of `error`; what nobody foresaw is logged and told in few words."""
    for kind, code in _STATUS_CODES:
        if isinstance(error, kind):
            await context.abort(code, str(error))
    logger.error("Translate failed", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "the server failed; its log has the reason")
