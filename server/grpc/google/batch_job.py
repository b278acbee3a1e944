"""Translates files into a folder: for each file and language a file of translations and one of errors, another two for
the translations with a glossary, and an index. A table has the latter in a column of its own."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from google.cloud.translate_v3 import types
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.grpc.google.api import format_of
from dragoman.server.grpc.google.files import InputFile, UriStyle
from dragoman.server.grpc.google.rows import MAX_HTML_LENGTH, OutputFile, Row, RowReader, append_index_row
from dragoman.server.scheduling.worker import ReplicaLostError, TextFailure, Worker
from dragoman.server.translating.orders import Outcome, TranslationOrder
from dragoman.server.translating.session import Session
from dragoman.server.translating.translating import Translating
from dragoman.translation.drafts import PreparedText
from dragoman.translation.results import Translation

MAX_CHARACTERS = 100_000_000
"""Google's limit for all files of a job together."""

WINDOW_ROWS, WINDOW_CHARACTERS = 256, 40_000
"""Approximate size of a window of rows."""

WINDOWS_IN_FLIGHT = 3
"""Windows translated at the same time, so that the last sentences of one do not leave the engine idle."""

SLICE_SENTENCES = 256
"""Sentences queued at once; a single text may have more."""

MAX_TRIES = 3
"""Tries of a slice whose engine process is lost."""

INDEX_NAME, NUM_INDEX_FILES = "index.csv", 4
"""The index's name, and the number of its columns that name outputs."""

TABLE_SUFFIX = ".tsv"

MAX_WARNED_ROWS = 10
"""Maximal number of rows named in a warning."""

State = types.BatchTranslateMetadata.State

Translated: TypeAlias = tuple[Row, Sequence[str | TextFailure]]
"""A row and its results, one for each order of the target."""

Outputs: TypeAlias = tuple[OutputFile, OutputFile]
"""Of translations and of errors."""

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Target:
    """A target language, by the request's code, and its orders: without a glossary, and with one if it has any."""

    code: str
    orders: Sequence[TranslationOrder]


@dataclass(frozen=True, slots=True)
class Input:
    """A file and its MIME type."""

    file: InputFile
    mime_type: str


class BatchJob:
    """One BatchTranslateText; see `server.grpc.google.operations.Job`."""

    def __init__(
        self,
        translating: Translating,
        caller: CallContext,
        inputs: Sequence[Input],
        targets: Sequence[Target],
        folder: Path,
        style: UriStyle,
        disk: Executor,
        *,
        on_end: Callable[[], None],
    ) -> None:
        """caller: of the call, whose deadline does not apply; the job leaves the allowance that the caller has entered.
        folder: of the outputs. style: of their names. disk: executor of file operations. on_end: called when the job
        writes nothing more."""
        self._translating = translating
        self._caller = caller.detach()
        self._inputs, self._targets = inputs, targets
        self._folder, self._style = folder, style
        self._disk = disk
        self._on_end = on_end
        self._is_closed = False
        self._state = State.RUNNING
        self._submitted = _now()
        self._literal_rows: dict[Path, list[int]] = {}
        self._num_total = self._num_translated = self._num_failed = 0
        self._num_calls = 1  # yet to be counted

    def metadata(self) -> Message:
        """types.BatchTranslateMetadata."""
        message: Message = types.BatchTranslateMetadata.pb(
            types.BatchTranslateMetadata(
                state=self._state,
                translated_characters=self._num_translated,
                failed_characters=self._num_failed,
                total_characters=self._num_total,
                submit_time=self._submitted,
            )
        )
        return message

    def cancel(self) -> None:
        """Set the state to CANCELLING."""
        self._state = State.CANCELLING

    def close(self) -> None:
        """Called when `run` has ended, or was cancelled before it began. May be called twice."""
        if self._state in (State.RUNNING, State.CANCELLING):
            self._state = State.CANCELLED
        if not self._is_closed:
            self._is_closed = True
            self._caller.allowance.leave()
            self._on_end()

    async def run(self) -> Message:
        """types.BatchTranslateResponse. Raises InvalidInputError if nothing could be translated."""
        try:
            await self._count()
            for item in self._inputs:
                for target in self._targets:
                    await self._translate_file(item, target)
            if self._num_failed and not self._num_translated:
                raise InvalidInputError("nothing could be translated; the errors files say why")
            self._state = State.SUCCEEDED
        except Exception:
            self._state = State.FAILED
            raise
        finally:
            self.close()
        response: Message = types.BatchTranslateResponse.pb(
            types.BatchTranslateResponse(
                total_characters=self._num_total,
                translated_characters=self._num_translated,
                failed_characters=self._num_failed,
                submit_time=self._submitted,
                end_time=_now(),
            )
        )
        return response

    async def _count(self) -> None:
        """Read all files once, to know the total for the progress."""
        num_characters = 0
        for item in self._inputs:
            with suppress(InvalidInputError):  # reported when the file is translated
                async with aclosing(self._windows(item)) as windows:
                    async for window in windows:
                        num_characters += sum(len(row.text) for row in window)
                        if num_characters > MAX_CHARACTERS:
                            break
            if num_characters > MAX_CHARACTERS:
                raise InvalidInputError(f"input_configs: more than {MAX_CHARACTERS} characters")
            self._num_total = num_characters * len(self._targets)

    async def _windows(self, item: Input) -> AsyncGenerator[list[Row]]:
        reader = RowReader(item.file, self._translating.limits.max_text_length)
        self._literal_rows[item.file.path] = reader.literal_rows
        try:
            while window := await self._on_thread(partial(reader.read, WINDOW_ROWS, WINDOW_CHARACTERS)):
                yield window
        finally:
            reader.close()

    async def _paced_windows(self, item: Input, num_orders: int) -> AsyncGenerator[list[Row]]:
        """The windows of a file, no faster than the caller's rate of characters allows."""
        async with aclosing(self._windows(item)) as windows:
            async for window in windows:
                num_characters = sum(len(row.text) for row in window) * num_orders
                while seconds := self._caller.allowance.charge(num_characters, self._num_calls):
                    await asyncio.sleep(seconds)
                self._num_calls = 0
                yield window

    async def _translate_file(self, item: Input, target: Target) -> None:
        """Write all of a file's outputs, or none if the task is cancelled."""
        is_table = item.file.path.suffix == TABLE_SUFFIX
        prefixes = [""] if len(target.orders) == 1 or is_table else ["", "glossary_"]
        outputs = [self._open_outputs(item, target, prefix) for prefix in prefixes]
        num_before = self._num_translated
        try:
            try:
                with_any = await self._translate_rows(item, target, outputs)
                for number, (translations, _) in enumerate(outputs):
                    if not with_any or (not is_table and number not in with_any):
                        await self._on_thread(translations.discard)
            except InvalidInputError as error:  # a faulty file: write none of its translations, go on with the others
                self._num_failed += self._num_translated - num_before
                self._num_translated = num_before
                for translations, errors in outputs:
                    await self._on_thread(translations.discard)
                    await self._on_thread(partial(errors.write, f"{error}\n"))
            files = list(chain.from_iterable(outputs))
            are_there = await self._on_thread(lambda: [file.finish() for file in files])
            uris = [
                self._style.write(file.path) if is_there else ""
                for file, is_there in zip(files, are_there, strict=True)
            ]
            padding = [""] * (NUM_INDEX_FILES - len(uris))
            columns = [item.file.uri, target.code, *uris, *padding, *_warnings(self._literal_rows[item.file.path])]
            await self._on_thread(partial(append_index_row, self._folder / INDEX_NAME, columns))
        finally:
            for file in chain.from_iterable(outputs):
                file.discard()

    def _open_outputs(self, item: Input, target: Target, prefix: str) -> Outputs:
        names = (item.file.output_name(target.code, prefix + kind) for kind in ("translations", "errors"))
        translations, errors = (OutputFile(self._folder / name) for name in names)
        return translations, errors

    async def _translate_rows(self, item: Input, target: Target, outputs: Sequence[Outputs]) -> set[int]:
        """Translate the rows of a file. Returns the numbers of the orders by which any could be translated."""
        with_any: set[int] = set()
        # The reader applies the limits of texts; a job has no other limits, because it has no answer.
        bounds = {"max_text_length": MAX_HTML_LENGTH}
        bounds |= dict.fromkeys(("max_texts", "max_text_pieces", "max_sentences", "max_message_bytes"), sys.maxsize)
        limits = self._translating.limits.model_copy(update=bounds)
        with ExitStack() as stack:
            orders = [replace(order, text_format=format_of(item.mime_type)) for order in target.orders]
            sessions = [stack.enter_context(self._translating.open(order, limits=limits)) for order in orders]
            paced = self._paced_windows(item, len(sessions))
            found = _in_order(partial(self._translate_window, sessions), paced)
            async with aclosing(found) as windows:
                async for window in windows:
                    write = partial(_write, item.file.path.suffix == TABLE_SUFFIX, window, outputs)
                    await self._on_thread(write)
                    for row, results in window:
                        done = [number for number, result in enumerate(results) if isinstance(result, str)]
                        with_any.update(done)
                        if len(done) < len(results):
                            self._num_failed += len(row.text)
                        else:
                            self._num_translated += len(row.text)
        return with_any

    async def _translate_window(self, sessions: Sequence[Session], rows: Sequence[Row]) -> list[Translated]:
        texts = [row.text for row in rows if not row.error]
        by_session = [await session.translate(texts, self._caller, submit=self._translate) for session in sessions]
        found = zip(*by_session, strict=True)
        return [
            (row, [TextFailure(row.error)] * len(sessions) if row.error else list(map(_text_of, next(found))))
            for row in rows
        ]

    async def _translate(self, worker: Worker, prepared: Sequence[PreparedText]) -> list[Translation | TextFailure]:
        found: list[Translation | TextFailure] = []
        for part in _slices(prepared):
            found += await self._translate_slice(worker, part)
        return found

    async def _translate_slice(
        self, worker: Worker, prepared: Sequence[PreparedText]
    ) -> Sequence[Translation | TextFailure]:
        for is_last in (*[False] * (MAX_TRIES - 1), True):
            try:
                return await worker.translate_when_room(prepared, caller=self._caller, priority=Priority.BATCH)
            except ReplicaLostError:
                if is_last:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _on_thread(self, function: Callable[[], Found]) -> Found:
        """Call a function on another thread. Cancellation waits until it has returned, so that it does not write to a
        file that is being removed."""
        call = asyncio.get_running_loop().run_in_executor(self._disk, function)
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            while not call.done():  # a second cancellation, by the end of the server, must not end the waiting
                with suppress(asyncio.CancelledError):
                    await asyncio.wait((call,))
            raise


def _warnings(literal_rows: Sequence[int]) -> list[str]:
    """The columns of a file's row in the index after Google's columns."""
    if not literal_rows:
        return []
    shown = ", ".join(map(str, literal_rows[:MAX_WARNED_ROWS]))
    more = ", …" if len(literal_rows) > MAX_WARNED_ROWS else ""
    return [
        f"warning: a quotation mark without its other half was taken as it is in {len(literal_rows)} rows, counted "
        f"from 0: {shown}{more}"
    ]


def _text_of(outcome: Outcome) -> str | TextFailure:
    return outcome if isinstance(outcome, TextFailure) else outcome.translation.text


def _slices(prepared: Sequence[PreparedText]) -> Iterator[list[PreparedText]]:
    part: list[PreparedText] = []
    num_sentences = 0
    for text in prepared:
        if part and num_sentences + len(text.segments) > SLICE_SENTENCES:
            yield part
            part, num_sentences = [], 0
        part.append(text)
        num_sentences += len(text.segments)
    if part:
        yield part


def _write(is_table: bool, window: Sequence[Translated], outputs: Sequence[Outputs]) -> None:
    """Write a window's rows; a failed text leaves an empty translation. outputs: one for each result; a table has one
    for all."""
    for row, results in window:
        texts = ["" if isinstance(result, TextFailure) else result for result in results]
        reasons = [result.reason if isinstance(result, TextFailure) else "" for result in results]
        if is_table:
            ((translations, errors),) = outputs
            translations.write_row(row.id, row.text, *texts)
            if any(reasons):
                errors.write_row(row.id, row.text, *reasons)
            continue
        for (translations, errors), text, reason in zip(outputs, texts, reasons, strict=True):
            translations.write(text + row.end)
            if reason:
                errors.write_row(row.id, row.text, reason)


async def _in_order(
    function: Callable[[Item], Coroutine[Any, Any, Found]], items: AsyncGenerator[Item]
) -> AsyncGenerator[Found]:
    """The function's results in order of the items; it runs for WINDOWS_IN_FLIGHT items at once."""
    tasks: deque[asyncio.Task[Found]] = deque()
    try:
        async with aclosing(items):
            async for item in items:
                tasks.append(asyncio.create_task(function(item)))
                if len(tasks) == WINDOWS_IN_FLIGHT:
                    yield await tasks.popleft()
            while tasks:
                yield await tasks.popleft()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _now() -> Timestamp:
    now = Timestamp()
    now.GetCurrentTime()
    return now
