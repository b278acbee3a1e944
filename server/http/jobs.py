"""Documents that are translated for callers, in a folder with a table in SQLite, which survives a restart."""

import asyncio
import json
import logging
import re
import secrets
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.server.call_context import CallContext
from dragoman.server.http.bodies import UploadedFile
from dragoman.server.http.gate import Visit
from dragoman.server.processes.holder import Holder
from dragoman.server.translating.documents import translate_file
from dragoman.server.translating.faults import UNFORESEEN, fault_of
from dragoman.server.translating.orders import GivenTerm, TranslationOrder
from dragoman.server.translating.translating import Translating
from dragoman.translation.documents.opening import find_format

MAX_RUNNING = 2
"""Documents translated at once; the others wait."""

MAX_KEPT = 10_000
"""Most documents of all callers."""

SWEEP_SECONDS = 60.0

QUEUED, TRANSLATING, DONE, FAILED = "queued", "translating", "done", "error"

_TABLE = """CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, key TEXT, owner TEXT, client TEXT, name TEXT, task TEXT, state TEXT, created REAL,
    num_characters INTEGER, message TEXT, holder TEXT NOT NULL DEFAULT '')"""
_ADD_HOLDER = "ALTER TABLE documents ADD COLUMN holder TEXT NOT NULL DEFAULT ''"  # to a table of an earlier version

_UNSAFE = re.compile(r"[^\w.-]+")

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Job:
    """A document.

    key:            a secret that only the caller has who sent it.
    owner:          the caller's identity; empty for everybody.
    client:         the caller's name for fair shares.
    name:           of the file, with letters, digits, ".", "-" and "_" alone.
    task:           the fields of the order, as JSON.
    created:        in seconds since 1970.
    num_characters: translated.
    message:        why it failed.
    holder:         name of the process that translates it.
    """

    id: str
    key: str
    owner: str
    client: str
    name: str
    task: str
    state: str
    created: float
    num_characters: int = 0
    message: str = ""
    holder: str = ""

    @property
    def download_name(self) -> str:
        """A name under which everybody who knows it can get the translation."""
        return f"{self.id}-{self.key}.{self.name}"


def offer_download(name: str) -> dict[str, str]:
    """Headers under which a browser keeps a file by its name, whatever letters that has."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    return {"content-disposition": disposition, "x-content-type-options": "nosniff"}


class Jobs:
    """The documents of a port, whose folder several processes may share: each goes on with those whose process has
    ended. For the event loop alone, between `open` and `close`."""

    def __init__(
        self,
        folder: Path | None,
        translating: Translating,
        keep_seconds: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """folder: None for a temporary one. keep_seconds: time after which a document is deleted."""
        self._wanted_folder = folder
        self._translating = translating
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._folder = Path()
        self._table: sqlite3.Connection | None = None
        self._using = threading.Lock()
        self._holder = Holder()
        self._slots = asyncio.Semaphore(MAX_RUNNING)
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by document
        self._progress: dict[str, float] = {}  # likewise, of those that are being translated
        self._sweeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the folder, and go on with what was not finished. Raises DragomanError if it cannot be used."""
        try:
            if self._wanted_folder is None:
                self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="dragoman-http-"))
            else:
                self._folder = self._wanted_folder
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._table = sqlite3.connect(self._folder / "documents.sqlite", check_same_thread=False)
            await self._log_ahead(self._table)
            self._table.execute(_TABLE)
            with suppress(sqlite3.OperationalError):
                self._table.execute(_ADD_HOLDER)
            self._table.commit()
            self._holder.hold(self._folder)
        except (OSError, sqlite3.Error) as error:
            raise DragomanError(f"http.files: {self._folder} cannot be used: {error}") from error
        await self._adopt()
        self._sweeping = asyncio.create_task(self._sweep())

    async def _log_ahead(self, table: sqlite3.Connection) -> None:
        """Choose SQLite's write-ahead log. It refuses that at once, without its own waiting, to processes that begin at
        the same time."""
        table.execute("PRAGMA busy_timeout=0")
        for left in reversed(range(250)):
            try:
                table.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not left:
                    raise
            await asyncio.sleep(0.02)
        table.execute("PRAGMA busy_timeout=5000")

    async def _adopt(self) -> None:
        """Go on with documents whose process has ended."""
        for job in await self._select("state IN (?, ?)", QUEUED, TRANSLATING):
            if job.id in self._tasks or self._holder.is_alive(self._folder, job.holder):
                continue
            statement = "UPDATE documents SET holder = ? WHERE id = ? AND holder = ? RETURNING id"
            if await self._execute(statement, self._holder.name, job.id, job.holder):  # no other process was faster
                self._begin(job, CallContext(job.client, job.id, identity=job.owner))

    async def close(self) -> None:
        """End what runs; it begins again at the next `open`."""
        tasks = [*self._tasks.values(), *([self._sweeping] if self._sweeping else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with self._using:
            if self._table is not None:
                self._table.close()
                self._table = None
        self._holder.release(self._folder)
        if self._wanted_folder is None and self._folder != Path():
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def submit(self, visit: Visit, order: TranslationOrder, file: UploadedFile) -> Job:
        """Take a document, whose translation then begins. Raises InvalidInputError for an unknown format or languages,
        and QuotaError if the caller has too many."""
        if not file.content:
            raise InvalidInputError("file: is empty")
        if find_format(file.name, file.content) is None:
            extension = Path(file.name).suffix
            raise InvalidInputError(f'file: the file extension "{extension}" is unknown')
        with self._translating.open(order):  # raises if it is not possible
            pass
        ((num_kept,),) = await self._execute("SELECT count(*) FROM documents")
        if num_kept >= MAX_KEPT:
            raise InvalidInputError("file: the server has too many documents; try again later")
        call = visit.call.detach()
        call.allowance.enter()
        try:
            job = Job(
                id=secrets.token_hex(16).upper(),
                key=secrets.token_hex(32).upper(),
                owner=call.identity,
                client=call.client,
                name=_UNSAFE.sub("_", Path(file.name.replace("\\", "/")).name)[-100:],
                task=json.dumps(_pack(order)),
                state=QUEUED,
                created=self._clock(),
                holder=self._holder.name,
            )
            await asyncio.to_thread(write_atomically, self._folder / f"{job.id}.in", file.content)
            await self._insert(job)
        except BaseException:
            call.allowance.leave()
            raise
        self._begin(job, call, call.allowance.leave)
        return job

    async def run(self, visit: Visit, order: TranslationOrder, file: UploadedFile) -> Job:
        """`submit`, and wait for the translation. Raises InvalidInputError with the reason if it fails."""
        job = await self.submit(visit, order, file)
        task = self._tasks[job.id]
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        (done,) = await self._select("id = ?", job.id)
        visit.call.num_characters += done.num_characters
        if done.state == FAILED:
            raise InvalidInputError(done.message)
        return done

    async def find(self, job_id: str, key: str, identity: str) -> Job | None:
        """A caller's document; None if there is none with this id and key."""
        found = await self._select("id = ?", job_id)
        if not found or not secrets.compare_digest(found[0].key.encode(), key.encode()) or found[0].owner != identity:
            return None
        return found[0]

    def progress(self, job: Job) -> float:
        """The share of a document that is translated, between 0 and 1."""
        return 1.0 if job.state == DONE else self._progress.get(job.id, 0.0)

    async def read(self, job: Job) -> bytes:
        """A finished document's translation."""
        return await asyncio.to_thread((self._folder / f"{job.id}.out").read_bytes)

    async def discard(self, job: Job) -> None:
        """Delete a document; its translation ends."""
        if task := self._tasks.get(job.id):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._delete(job)

    async def take(self, job: Job) -> bytes:
        """A finished document's translation, which is deleted."""
        content = await self.read(job)
        await self._delete(job)
        return content

    async def find_by_name(self, name: str) -> tuple[str, bytes] | None:
        """A finished document by its `Job.download_name`: its name and its translation; None if there is none."""
        job_id, _, rest = name.partition("-")
        found = await self._select("id = ?", job_id)
        if not found or not secrets.compare_digest(found[0].download_name.encode(), name.encode()):
            return None
        if found[0].state != DONE:
            return None
        return rest.partition(".")[2], await asyncio.to_thread((self._folder / f"{job_id}.out").read_bytes)

    def _begin(self, job: Job, call: CallContext, on_end: Callable[[], None] = lambda: None) -> None:
        task = asyncio.create_task(self._translate(job, call))
        self._tasks[job.id] = task

        def end(_: "asyncio.Task[None]") -> None:
            del self._tasks[job.id]
            on_end()

        task.add_done_callback(end)

    async def _translate(self, job: Job, call: CallContext) -> None:
        async with self._slots:
            await self._update(replace(job, state=TRANSLATING))
            try:
                content = await asyncio.to_thread((self._folder / f"{job.id}.in").read_bytes)
                order = _unpack(json.loads(job.task))

                def note(share: float) -> None:
                    self._progress[job.id] = share

                translated, num_characters = await translate_file(
                    self._translating, order, content, job.name, call, note
                )
                await asyncio.to_thread(write_atomically, self._folder / f"{job.id}.out", translated)
                await self._update(replace(job, state=DONE, num_characters=num_characters))
            except Exception as error:
                fault = fault_of(error)
                if fault is None:
                    logger.error("document %s cannot be translated", job.id, exc_info=error)
                await self._update(replace(job, state=FAILED, message=fault.message if fault else UNFORESEEN))
            finally:
                self._progress.pop(job.id, None)
            await asyncio.to_thread(_unlink, self._folder / f"{job.id}.in")

    async def _sweep(self) -> None:
        """Delete old documents now and then, and look for those that nobody translates."""
        while True:
            await self._adopt()
            for job in await self._select(
                "created < ? AND state IN (?, ?)", self._clock() - self._keep_seconds, DONE, FAILED
            ):
                await self._delete(job)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _delete(self, job: Job) -> None:
        await self._execute("DELETE FROM documents WHERE id = ?", job.id)
        for end in ("in", "out"):
            await asyncio.to_thread(_unlink, self._folder / f"{job.id}.{end}")

    async def _insert(self, job: Job) -> None:
        fields = asdict(job)
        places = ", ".join("?" * len(fields))
        await self._execute(f"INSERT INTO documents ({', '.join(fields)}) VALUES ({places})", *fields.values())

    async def _update(self, job: Job) -> None:
        await self._execute(
            "UPDATE documents SET state = ?, num_characters = ?, message = ? WHERE id = ?",
            job.state,
            job.num_characters,
            job.message,
            job.id,
        )

    async def _select(self, condition: str, *values: Any) -> list[Job]:
        names = list(Job.__dataclass_fields__)
        rows = await self._execute(f"SELECT {', '.join(names)} FROM documents WHERE {condition}", *values)
        return [Job(*row) for row in rows]

    async def _execute(self, statement: str, *values: Any) -> list[Any]:
        def execute() -> list[Any]:
            with self._using:
                if self._table is None:
                    return []
                rows = self._table.execute(statement, values).fetchall()
                self._table.commit()
                return rows

        return await asyncio.to_thread(execute)


def _pack(order: TranslationOrder) -> dict[str, Any]:
    """The fields of an order that a document may have."""
    return {
        "target_language": order.target_language,
        "source_language": order.source_language,
        "glossary": order.glossary,
        "glossary_owner": order.glossary_owner,
        "protect": order.protect,
        "localize_figures": order.localize_figures,
        "model": order.model,
        "terms": [asdict(term) for term in order.terms],
    }


def _unpack(fields: dict[str, Any]) -> TranslationOrder:
    terms = [GivenTerm(**term | {"targets": tuple(term["targets"])}) for term in fields.pop("terms", ())]
    return TranslationOrder(**fields, terms=tuple(terms))


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
