"""BatchTranslateText: checks a request before the call is answered, and makes its job."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from google.cloud.translate_v3 import types

from dragoman.model.errors import DragomanError, InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.grpc.google.api import HTML, PLAIN, read_mime_type, read_model
from dragoman.server.grpc.google.batch_job import BatchJob, Input, Target
from dragoman.server.grpc.google.files import AllowedFolder, InputFile, UriStyle
from dragoman.server.grpc.google.glossaries import read_name
from dragoman.server.translating.orders import TranslationOrder
from dragoman.server.translating.translating import Translating

MAX_TARGETS, MAX_FILES = 10, 100
"""Google's limits."""

DISK_THREADS = 4
"""Threads that read and write the files of all operations."""

_MIME_TYPES = {".html": (HTML,), ".txt": (PLAIN,), ".tsv": (HTML, PLAIN)}
"""MIME types by file extension; the first is the default."""


@dataclass(frozen=True, slots=True)
class _Output:
    folder: Path
    style: UriStyle


class BatchTranslator:
    """Makes jobs from requests, on the event loop."""

    def __init__(self, translating: Translating, files: Path) -> None:
        """files: the allowed folder. Raises NotFoundError if it does not exist."""
        self._translating = translating
        self.folder = AllowedFolder(files)
        self._disk = ThreadPoolExecutor(DISK_THREADS, "dragoman-files")  # calls must not wait for a slow disk
        self._outputs: set[Path] = set()  # folders of jobs that run

    async def plan(self, request: types.BatchTranslateTextRequest, caller: CallContext) -> BatchJob:
        """The job of a request. Creates its output folder, which no other job may use until this one ends.

        Raises InvalidInputError, NotFoundError, UnsupportedError, QuotaError.
        """
        targets = self._find_targets(request)
        loop = asyncio.get_running_loop()
        inputs = await loop.run_in_executor(self._disk, self._find_inputs, request.input_configs)
        _check_names(inputs, targets)
        uri = request.output_config.gcs_destination.output_uri_prefix
        if not uri:
            raise InvalidInputError("output_config.gcs_destination.output_uri_prefix: is empty")
        output = await loop.run_in_executor(self._disk, self._make_output_folder, uri)
        if output.folder in self._outputs:
            raise InvalidInputError(f'output_config: "{uri}" is used by another operation')
        caller.allowance.enter()
        self._outputs.add(output.folder)
        return BatchJob(
            self._translating,
            caller,
            inputs,
            targets,
            output.folder,
            output.style,
            self._disk,
            on_end=lambda: self._outputs.discard(output.folder),
        )

    def _find_targets(self, request: types.BatchTranslateTextRequest) -> list[Target]:
        if not request.source_language_code:
            raise InvalidInputError("source_language_code: is empty")
        codes = list(request.target_language_codes)
        if not 1 <= len(codes) <= MAX_TARGETS:
            raise InvalidInputError(f"target_language_codes: must be 1 to {MAX_TARGETS}")
        if len(set(codes)) < len(codes):
            raise InvalidInputError("target_language_codes: one is there twice")
        for field, by_code in (("models", request.models), ("glossaries", request.glossaries)):
            for code in by_code:
                if code not in codes:
                    raise InvalidInputError(f'{field}: has "{code}", which is none of target_language_codes')
        targets = []
        for code in codes:
            model = read_model(request.models.get(code, ""), f'models["{code}"]')
            orders = [TranslationOrder(code, request.source_language_code, model, priority=Priority.BATCH)]
            if code in request.glossaries:
                config = request.glossaries[code]
                _, name = read_name(config.glossary, f'glossaries["{code}"].glossary')
                orders.append(replace(orders[0], glossary=name, ignores_case=config.ignore_case))
            for order in orders:
                with self._translating.open(order):  # raises if the target is not possible
                    pass
            targets.append(Target(code, orders))
        return targets

    def _find_inputs(self, configs: Sequence[types.InputConfig]) -> list[Input]:
        if not configs:
            raise InvalidInputError("input_configs: is empty")
        if len(configs) > MAX_FILES:
            raise InvalidInputError(f"input_configs: {len(configs)}, but at most {MAX_FILES} are allowed")
        found: dict[Path, Input] = {}
        for number, config in enumerate(configs):
            try:
                for file in self.folder.find_inputs(config.gcs_source.input_uri, MAX_FILES):
                    found.setdefault(file.path, Input(file, _mime_type(config.mime_type, file)))
            except DragomanError as error:
                raise type(error)(f"input_configs[{number}]: {error}") from error
        if len(found) > MAX_FILES:
            raise InvalidInputError(f"input_configs: {len(found)} files, but at most {MAX_FILES} are allowed")
        return list(found.values())

    def _make_output_folder(self, uri: str) -> _Output:
        try:
            return _Output(*self.folder.make_output_folder(uri))
        except DragomanError as error:
            raise type(error)(f"output_config: {error}") from error


def _mime_type(mime_type: str, file: InputFile) -> str:
    possible = _MIME_TYPES[file.path.suffix]
    if not mime_type:
        return possible[0]
    if read_mime_type(mime_type) not in possible:
        raise InvalidInputError(f'"{file.uri}": mime_type is "{mime_type}", but must be {" or ".join(possible)}')
    return mime_type


def _check_names(inputs: Sequence[Input], targets: Sequence[Target]) -> None:
    """Raise InvalidInputError for two files whose translations would have the same name."""
    by_name: dict[str, str] = {}
    for item in inputs:
        for target in targets:
            name = item.file.output_name(target.code, "translations")
            other = by_name.setdefault(name, item.file.uri)
            if other != item.file.uri:
                raise InvalidInputError(
                    f'input_configs: the outputs of "{other}" and "{item.file.uri}" would be "{name}"'
                )
