"""Google's glossary methods: their files are read from the folder of batch translation and stored with the server's
named glossaries."""

import asyncio
import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime

from google.cloud.translate_v3 import types
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf.message import Message

from dragoman.model.errors import InvalidInputError
from dragoman.server.grpc.call_metadata import current_call
from dragoman.server.grpc.google.api import UnsupportedError, check_parent
from dragoman.server.grpc.google.files import AllowedFolder, open_input
from dragoman.server.grpc.google.operations import Operations
from dragoman.server.translating.glossaries import Glossaries, StoredGlossary
from dragoman.translation.terms.glossary import Entry, Glossary, check_forms
from dragoman.translation.terms.reading import MAX_BYTES

EXTENSIONS = (".csv", ".tsv")
"""Files that Google reads as tables; its TMX is not read here."""

OTHER_COLUMNS = ("pos", "description")
"""Columns of a table of several languages that are no language."""

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000

_NAME = re.compile(r"(projects/[^/]+/locations/[^/]+)/glossaries/([^/]+)")


def read_name(name: str, field: str = "name") -> tuple[str, str]:
    """The parent and the own name of a glossary. Raises InvalidInputError that names the field."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidInputError(
            f'{field}: is "{name}", but must be projects/PROJECT/locations/LOCATION/glossaries/GLOSSARY'
        )
    return match[1], match[2]


class GlossaryMethods:
    """The methods, from request to response. Creating and deleting are long-running operations."""

    def __init__(self, glossaries: Glossaries, folder: AllowedFolder | None, operations: Operations) -> None:
        """folder: of batch translation, which has the files; without one nothing can be created."""
        self._glossaries = glossaries
        self._folder = folder
        self._operations = operations

    async def create(self, request: types.CreateGlossaryRequest) -> operations_pb2.Operation:
        """Begin to read a file and to store its terms."""
        check_parent(request.parent, with_location=True)
        parent, name = read_name(request.glossary.name, "glossary.name")
        if parent != request.parent:
            raise InvalidInputError("glossary.name: must begin with parent")
        if self._folder is None or not self._glossaries.is_enabled:
            raise UnsupportedError("glossaries: the server needs server.glossaries and server.google_files for them")
        pair, several = request.glossary.language_pair, request.glossary.language_codes_set
        languages = (pair.source_language_code, pair.target_language_code) if pair else tuple(several.language_codes)
        if len(languages) < 2 or not all(languages):
            raise InvalidInputError("glossary: needs a language_pair, or a language_codes_set of two or more")
        folder, uri = self._folder, request.glossary.input_config.gcs_source.input_uri

        def work() -> Message:
            glossary = _read(folder, uri, languages, is_pair=bool(pair))
            stored = self._glossaries.store(name, glossary)
            message: Message = types.Glossary.pb(_describe(parent, stored))
            return message

        state = types.CreateGlossaryMetadata.State
        metadata = types.CreateGlossaryMetadata(name=request.glossary.name, state=state.RUNNING, submit_time=_now())
        return self._start(parent, _Job(types.CreateGlossaryMetadata.pb(metadata), state.SUCCEEDED, work))

    async def delete(self, request: types.DeleteGlossaryRequest) -> operations_pb2.Operation:
        """Begin to delete a glossary."""
        parent, name = read_name(request.name)
        self._glossaries.get(name)
        submitted = _now()

        def work() -> Message:
            self._glossaries.delete(name)
            response = types.DeleteGlossaryResponse(name=request.name, submit_time=submitted, end_time=_now())
            message: Message = types.DeleteGlossaryResponse.pb(response)
            return message

        state = types.DeleteGlossaryMetadata.State
        metadata = types.DeleteGlossaryMetadata(name=request.name, state=state.RUNNING, submit_time=submitted)
        return self._start(parent, _Job(types.DeleteGlossaryMetadata.pb(metadata), state.SUCCEEDED, work))

    async def get(self, request: types.GetGlossaryRequest) -> types.Glossary:
        """Describe a glossary."""
        parent, name = read_name(request.name)
        return _describe(parent, self._glossaries.get(name))

    async def list(self, request: types.ListGlossariesRequest) -> types.ListGlossariesResponse:
        """Describe all glossaries, by pages."""
        check_parent(request.parent, with_location=True)
        if request.filter:
            raise UnsupportedError("filter: glossaries cannot be filtered here")
        if not 0 <= request.page_size <= MAX_PAGE_SIZE:
            raise InvalidInputError(f"page_size: is {request.page_size}, but must lie between 0 and {MAX_PAGE_SIZE}")
        rest = [stored for stored in self._glossaries.list() if stored.name > request.page_token]
        page = rest[: request.page_size or PAGE_SIZE]
        return types.ListGlossariesResponse(
            glossaries=[_describe(request.parent, stored) for stored in page],
            next_page_token=page[-1].name if len(page) < len(rest) else "",
        )

    def _start(self, parent: str, job: "_Job") -> operations_pb2.Operation:
        owner = current_call.get().identity
        self._operations.check_room(owner)
        return self._operations.start(parent, owner, job)


class _Job:
    """A short job of an operation, on another thread."""

    def __init__(self, metadata: Message, done: int, work: Callable[[], Message]) -> None:
        self._metadata = metadata
        self._done = done
        self._work = work

    def metadata(self) -> Message:
        return self._metadata

    async def run(self) -> Message:
        found = await asyncio.to_thread(self._work)
        self._metadata.state = self._done  # type: ignore[attr-defined]
        return found

    def cancel(self) -> None:
        """Does nothing: the work is short, and cannot be divided."""

    def close(self) -> None:
        """Does nothing: the job keeps nothing open."""


def _describe(parent: str, stored: StoredGlossary) -> types.Glossary:
    languages = stored.glossary.languages
    created = datetime.fromtimestamp(stored.created, UTC)
    glossary = types.Glossary(
        name=f"{parent}/glossaries/{stored.name}",
        entry_count=len(stored.glossary.entries),
        submit_time=created,
        end_time=created,
    )
    if len(languages) == 2:
        glossary.language_pair = types.Glossary.LanguageCodePair(
            source_language_code=languages[0], target_language_code=languages[1]
        )
    else:
        glossary.language_codes_set = types.Glossary.LanguageCodesSet(language_codes=languages)
    return glossary


def _now() -> datetime:
    return datetime.now(UTC)


def _read(folder: AllowedFolder, uri: str, languages: tuple[str, ...], *, is_pair: bool) -> Glossary:
    """The glossary in a file: two columns without names for a pair, otherwise the languages' columns."""
    field = "glossary.input_config"
    (file,) = folder.find_inputs(uri, 1, EXTENSIONS)
    with open_input(file.path) as lines:
        text = lines.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise InvalidInputError(f"{field}: is larger than {MAX_BYTES >> 20} MiB")
    rows = csv.reader(text.splitlines(), delimiter="\t" if file.path.suffix == ".tsv" else ",")
    entries: list[Entry] = []
    columns = list(languages) if is_pair else None
    try:
        for row in rows:
            if columns is None:
                columns = [cell.strip() for cell in row]
                if missing := [language for language in languages if language not in columns]:
                    raise InvalidInputError(f"has no column {missing[0]}")
                continue
            cells = {
                column: " ".join(cell.split())
                for column, cell in zip(columns, row, strict=False)
                if column not in OTHER_COLUMNS and cell.strip()
            }
            check_forms(cells.values())
            if len(cells) > 1:
                entries.append(Entry({column: (cell,) for column, cell in cells.items()}, is_exact=True))
    except (csv.Error, InvalidInputError) as error:
        raise InvalidInputError(f"{field}: line {rows.line_num}: {error}") from error
    if not entries:
        raise InvalidInputError(f"{field}: has no terms")
    return Glossary(tuple(entries))
