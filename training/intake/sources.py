"""The corpora among files: each with its format and the reader of its pairs."""

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path, PurePosixPath

from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.pairs import check_same_length
from dragoman.training.intake.inputs import InputFile, list_inputs
from dragoman.training.intake.request import PairTexts, Request

_HOME = "dragoman.training.intake"
_READERS = {
    ".tmx": ("TMX", "memories", "read_tmx"),
    ".xlf": ("XLIFF", "memories", "read_xliff"),
    ".xliff": ("XLIFF", "memories", "read_xliff"),
    ".sdlxliff": ("XLIFF", "memories", "read_xliff"),
    ".mqxliff": ("XLIFF", "memories", "read_xliff"),
    ".mxliff": ("XLIFF", "memories", "read_xliff"),
    ".po": ("gettext", "catalogues", "read_po"),
    ".tsv": ("TSV", "tables", "read_tsv"),
    ".tab": ("TSV", "tables", "read_tsv"),
    ".csv": ("CSV", "tables", "read_csv"),
    ".xlsx": ("XLSX", "tables", "read_xlsx"),
    ".xlsm": ("XLSX", "tables", "read_xlsx"),
    ".jsonl": ("JSON lines", "tables", "read_json"),
    ".ndjson": ("JSON lines", "tables", "read_json"),
    ".json": ("JSON", "tables", "read_json"),
}
"""By extension: the format's name, and the module and function that read it, imported when they are needed."""

_PLAIN = (".txt", ".text")
_SEPARATORS = (".", "_", "-")
_HELD_OUT = frozenset(("dev", "devtest", "eval", "heldout", "test", "val", "valid", "validation"))
"""Words in the names of files that are no training data."""

_WORDS = re.compile(r"[\W_]+")
_SAMPLE_LINES = 200
_MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus. name: of its file or files; size: bytes as stored; read: its pairs, source first."""

    name: str
    format: str
    size: int
    read: Callable[[], Iterator[PairTexts]]


def find_sources(paths: Sequence[Path], request: Request) -> list[Source]:
    """All corpora of the two languages among files, folders and archives.

    Text files belong together by their names, such as corpus.en and corpus.de, or because there are just two. Files of
    other languages and formats are left out, with a note if they were named. Raises NotFoundError for a missing path
    and InvalidInputError if there is no corpus.
    """
    inputs = []
    for file in list_inputs(paths):
        if not file.is_named and _HELD_OUT & set(_WORDS.split(file.path.name.lower())):
            request.note(f"{file.name} is left out: by its name it is held out; name it itself to take it")
        else:
            inputs.append(file)
    sources, texts = [], []
    for file in inputs:
        extension = file.extension
        if extension in _READERS:
            sources.append(_by_format(file, request, *_READERS[extension]))
        elif extension in _PLAIN and _has_tabs(file, request):
            sources.append(_by_format(file, request, *_READERS[".tsv"]))
        else:
            texts.append(file)
    sources.extend(_text_pairs(texts, request, is_alone=not sources))
    if not sources:
        names = ", ".join(file.name for file in inputs[:5]) or "no file at all"
        raise InvalidInputError(
            f"no corpus of {request.source} and {request.target} was found: there is {names}; text files are found by "
            f"names such as corpus.{request.source} and corpus.{request.target}"
        )
    return sources


def _by_format(file: InputFile, request: Request, kind: str, module: str, function: str) -> Source:
    def read() -> Iterator[PairTexts]:
        reader: Callable[[InputFile, Request], Iterator[PairTexts]] = getattr(
            importlib.import_module(f"{_HOME}.{module}"), function
        )
        return reader(file, request)

    return Source(file.name, kind, file.size, read)


def _text_pairs(files: Sequence[InputFile], request: Request, *, is_alone: bool) -> Iterator[Source]:
    """Text files, two by two."""
    sides: dict[PurePosixPath, list[InputFile | None]] = {}
    for file in files:
        if (found := _language_of(file.path, request)) is not None:
            key, side = found
            sides.setdefault(key, [None, None])[side] = file
    used: set[str] = set()
    for source, target in sides.values():
        if source is not None and target is not None:
            used.update((source.name, target.name))
            yield _plain(source, target, request)
    left = [file for file in files if file.is_named and file.name not in used]
    if is_alone and not used and len(left) == 2:
        yield _plain(*_in_order(left[0], left[1], request), request)
        return
    for file in left:
        request.note(f"{file.name} is left out: no file belongs to it")


def _language_of(path: PurePosixPath, request: Request) -> tuple[PurePosixPath, int] | None:
    """The side of a text file, and its path without the language, by which its other side is found."""
    plain = path.with_suffix("") if path.suffix.lower() in _PLAIN else path
    for separator in _SEPARATORS:
        head, _, label = plain.name.rpartition(separator)
        if (side := request.side_of(label)) is not None:
            return path.parent / f"{head}\0{separator}", side
    if (side := request.side_of(path.parent.name)) is not None:
        return path.parent.with_name("\0") / path.name, side
    return None


def _in_order(first: InputFile, second: InputFile, request: Request) -> tuple[InputFile, InputFile]:
    """Two files whose names do not say their languages, source first."""
    found = [request.identifier.identify("\n".join(_first_lines(file, request)))[0] for file in (first, second)]
    sides = [request.side_of(language) for language in found]
    if sides == [1, 0]:
        first, second = second, first
    request.note(f"{first.name} is taken as {request.source}, {second.name} as {request.target}")
    return first, second


def _first_lines(file: InputFile, request: Request) -> list[str]:
    with file.open_text(request) as text:
        return [line[:_MAX_LINE] for line in islice(text, _SAMPLE_LINES)]


def _has_tabs(file: InputFile, request: Request) -> bool:
    """Whether each line of a text file has two texts or more."""
    lines = [line for line in _first_lines(file, request) if line.strip()]
    return bool(lines) and all("\t" in line.strip() for line in lines)


def _plain(source: InputFile, target: InputFile, request: Request) -> Source:
    def read() -> Iterator[PairTexts]:
        number = 0
        with source.open_text(request) as sources, target.open_text(request) as targets:
            pairs = zip_longest(_lines(sources), _lines(targets))
            for number, (source_line, target_line) in enumerate(pairs, start=1):
                if source_line is None or target_line is None:
                    longer = number + sum(1 for _ in pairs)
                    counts = (number - 1, longer) if source_line is None else (longer, number - 1)
                    check_same_length((Path(source.name), counts[0]), (Path(target.name), counts[1]))
                    raise AssertionError("one side has ended before the other")
                yield source_line, target_line
        if number == 0:
            raise InvalidInputError(f"{source.name}: is empty")

    return Source(f"{source.name}, {target.name}", "text", source.size + target.size, read)


def _lines(text: Iterator[str]) -> Iterator[str]:
    """Lines as training counts them: only a line feed ends one."""
    held = ""
    for piece in text:  # universal line ends, untranslated: a lone carriage return ends a piece, too
        held += piece
        if held.endswith("\n"):
            yield held.rstrip("\r\n").strip()
            held = ""
    if held:
        yield held.strip()
