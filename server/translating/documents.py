"""Whole documents, translated by sessions: the document's own code runs on a thread, its texts in the engines."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.orders import AUTO, Outcome, TranslationOrder, Wanted
from dragoman.server.translating.session import Session
from dragoman.server.translating.translating import Translating
from dragoman.translation.documents.document import Document, DocumentOptions
from dragoman.translation.documents.opening import open_document
from dragoman.translation.documents.translating import is_wanted, join_streams, translate_segments
from dragoman.translation.languages import means_language
from dragoman.translation.results import Translation

PART = 32
"""Texts of a block that are ordered together: after each part of a block the progress is known."""

Progress: TypeAlias = Callable[[float], None]
"""Gets the share that is done, between 0 and 1, on the event loop."""

MAX_EXAMINED = 50
"""Segments by which a document's language is detected."""

_BYTES = 2**31 - 1

_T = TypeVar("_T")


def _ignore(_: float) -> None:
    pass


async def translate_file(
    translating: Translating,
    order: TranslationOrder,
    content: bytes,
    name: str,
    call: CallContext,
    on_progress: Progress = _ignore,
) -> tuple[bytes, int]:
    """The translation of a file, and the number of characters that were translated, with which the caller is charged.
    name: of the file, for its format and for messages.

    Raises InvalidInputError for a broken file, `server.access.quotas.ExhaustedError`, and the errors of `Translating`.
    """
    document = await asyncio.to_thread(open_document, content, None, name, _options(order, order.source_language))
    source = await find_source(translating, order, document)
    if means_language(source, order.target_language):
        raise InvalidInputError(f"Source and target language are the same: the document is in {source}")
    if source != order.source_language:  # formats want to know it
        document = await asyncio.to_thread(open_document, content, None, name, _options(order, source))
    num_characters = sum(len(segment.text) for segment in document.segments if not segment.is_kept)
    while seconds := call.allowance.charge(num_characters, 1):
        await asyncio.sleep(seconds)
    order = replace(order, source_language=source, priority=Priority.BATCH)
    return await translate_opened(translating, order, document, call, on_progress)


async def translate_opened(
    translating: Translating,
    order: TranslationOrder,
    document: Document,
    call: CallContext,
    on_progress: Progress = _ignore,
) -> tuple[bytes, int]:
    """`translate_file` for a document that is open, of a known source language."""
    # What is translated at once is bounded by its segments; its answers never become a message.
    limits = translating.limits.model_copy(update={"max_message_bytes": _BYTES})
    with (
        translating.open(order, limits=limits) as plain,
        translating.open(replace(order, wanted=Wanted(attention=True)), limits=limits) as aligned,
    ):
        wanted = sum(len(one.text) for one in document.segments if is_wanted(one, retranslate=False)) or 1

        def report(num_done: int) -> None:
            on_progress(min(num_done / wanted, 1.0))

        bridge = _Bridge(call, report)
        texts = join_streams(bridge.stream(plain), bridge.stream(aligned))

        def translate() -> bytes:
            return document.render(list(translate_segments(document.segments, texts, plain.source_language)))

        try:
            return await asyncio.to_thread(translate), bridge.num_characters
        finally:
            bridge.end()


async def find_source(translating: Translating, order: TranslationOrder, document: Document) -> str:
    """The order's source language, or of those that a model has the likeliest of the document if it has none; the
    target language for a document that is in it."""
    if order.source_language and order.source_language != AUTO:
        return order.source_language
    texts = [segment.text for segment in document.segments if not segment.is_kept][:MAX_EXAMINED]
    return await translating.choose_source("\n".join(texts), order)


def _options(order: TranslationOrder, source: str) -> DocumentOptions:
    return DocumentOptions("" if source == AUTO else source, order.target_language)


class _Bridge:
    """Lets a thread wait for what the event loop does; `end` makes it stop."""

    def __init__(self, call: CallContext, report: Callable[[int], None]) -> None:
        """report: gets the number of characters that are translated, on the event loop."""
        self.num_characters = 0
        self._num_done = 0
        self._report = report
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._ended = threading.Event()
        self._running: Future[Any] | None = None

    def end(self) -> None:
        """What runs is cancelled, and the thread's next text is refused."""
        self._ended.set()
        if self._running is not None:
            self._running.cancel()

    def stream(self, session: Session) -> Callable[[Sequence[str]], Iterator[Translation]]:
        """Translates texts on the event loop, for another thread."""
        most = session.limits.max_texts

        def translate(texts: Sequence[str]) -> Iterator[Translation]:
            for begin in range(0, len(texts), most):
                part = texts[begin : begin + most]
                self.num_characters += sum(map(len, part))
                for text, outcome in zip(part, self._wait(self._translate(session, part)), strict=True):
                    if isinstance(outcome, TextFailure):
                        raise InvalidInputError(f'"{text[:50]}": {outcome.reason}')
                    yield outcome.translation

        return translate

    async def _translate(self, session: Session, texts: Sequence[str]) -> list[Outcome]:
        async def translate(part: Sequence[str]) -> Sequence[Outcome]:
            outcomes = await session.translate(part, self._call)
            self._num_done += sum(map(len, part))
            self._report(self._num_done)
            return outcomes

        parts = [texts[begin : begin + PART] for begin in range(0, len(texts), PART)]
        return [outcome for found in await asyncio.gather(*map(translate, parts)) for outcome in found]

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._ended.is_set():
            work.close()
            raise InvalidInputError("the call has ended")
        running = self._running = asyncio.run_coroutine_threadsafe(work, self._loop)
        if self._ended.is_set():  # meanwhile
            running.cancel()
        found: _T = running.result()
        return found
