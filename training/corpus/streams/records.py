"""Records of shards: the texts of a pair in each language, from any place of a shard on."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

import msgspec

from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.streams.stores import Found, find_files, open_file, unpacked_name

MAX_LINE_BYTES = 1 << 20
"""A longer line is no pair, and might not fit into memory."""

_ROWS = 1024
_FORMATS = {".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".json": "json", ".parquet": "parquet"}

Texts = tuple[str, ...]
"""A pair's texts, in the order of the shards' languages."""


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of a corpus, each a file, or one for each language.

    languages: of the texts of a record. columns: of each language, for shards that have all.
    """

    languages: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
    num_bytes: tuple[int, ...]
    columns: tuple[str | int, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)


def find_shards(patterns: Mapping[str, Sequence[str]], columns: Mapping[str, str | int]) -> Shards:
    """The shards of patterns by language, or of those under "" with the columns of the languages.

    Raises NotFoundError, and InvalidInputError for files of unknown formats and for languages whose numbers of shards
    differ.
    """
    found = {code: find_files(written) for code, written in patterns.items()}
    if columns:
        for file in found[""]:
            _format_of(file.path)
        return _shards(tuple(columns), [found[""]], tuple(columns.values()))
    first, *others = found
    for other in others:
        if len(found[first]) != len(found[other]):
            raise InvalidInputError(
                f"shards: {len(found[first]):,} files of {first} ({found[first][0].path}, …), but "
                f"{len(found[other]):,} of {other} ({found[other][0].path}, …): shard N of one must be the translation "
                "of shard N of the other"
            )
    return _shards(tuple(found), list(found.values()), ())


def _shards(languages: tuple[str, ...], files: Sequence[Sequence[Found]], columns: tuple[str | int, ...]) -> Shards:
    groups = list(zip(*files, strict=True))
    return Shards(
        languages,
        tuple(tuple(file.path for file in group) for group in groups),
        tuple(sum(file.num_bytes for file in group) for group in groups),
        columns,
    )


def _format_of(path: str) -> str:
    name = unpacked_name(path)
    for end, kind in _FORMATS.items():
        if name.endswith(end):
            return kind
    raise InvalidInputError(f"{path}: shards with columns are .tsv, .jsonl or .parquet, also with .gz or .zst")


def read_records(
    shards: Shards, shard: int, *, start: int = 0, stripe: int = 0, stripes: int = 1, is_strict: bool = False
) -> Generator[tuple[int, Texts | None], None, None]:
    """The records of a shard from number `start` on, with their numbers, of every `stripes` the one at `stripe`.

    Records that are no pair are None; if is_strict, they raise InvalidInputError that names the place. So does a shard
    whose languages differ in their number of lines. Raises OSError, EOFError and zlib.error where reading fails.
    """
    paths = shards.paths[shard]
    if not shards.columns:
        return _read_lines(paths, start, stripe, stripes, is_strict=is_strict)
    kind = _format_of(paths[0])
    if kind == "parquet":
        return _read_parquet(paths[0], shards.columns, start, stripe, stripes)
    return _read_rows(paths[0], kind, shards.columns, start, stripe, stripes, is_strict=is_strict)


def _read_lines(
    paths: Sequence[str], start: int, stripe: int, stripes: int, *, is_strict: bool
) -> Generator[tuple[int, Texts | None], None, None]:
    with ExitStack() as stack:
        files = [_lines(stack.enter_context(open_file(path))) for path in paths]
        number = 0
        while True:
            lines = [next(file, _END) for file in files]
            ended = [line is _END for line in lines]
            if any(ended):
                if not all(ended):
                    raise InvalidInputError(
                        f"{paths[ended.index(True)]} has {number:,} lines, but {paths[ended.index(False)]} has more: "
                        "line N of one must be the translation of line N of the other"
                    )
                return
            if number >= start and number % stripes == stripe:
                texts = [_decode(line) for line in lines]
                if is_strict and None in texts:
                    raise InvalidInputError(f"{paths[texts.index(None)]}, line {number + 1}: is not UTF-8")
                yield number, None if None in texts else tuple(map(str, texts))
            number += 1


def _read_rows(
    path: str, kind: str, columns: Sequence[str | int], start: int, stripe: int, stripes: int, *, is_strict: bool
) -> Generator[tuple[int, Texts | None], None, None]:
    with open_file(path) as file:
        lines = _lines(file)
        places: list[Any] = list(columns)
        has_names = kind == "tsv" and any(isinstance(column, str) for column in columns)
        if has_names:
            places = _places(path, next(lines, b""), columns)
        for number, line in enumerate(lines):
            if number < start or number % stripes != stripe:
                continue
            try:
                yield number, _row(line, places) if kind == "tsv" else _record(line, places)
            except (ValueError, LookupError, TypeError) as error:
                if is_strict:
                    fault = f"has no column {error}" if isinstance(error, LookupError) else error
                    raise InvalidInputError(f"{path}, line {number + has_names + 1}: {fault}") from error
                yield number, None


def _places(path: str, header: bytes | None, columns: Sequence[str | int]) -> list[int]:
    names = (_decode(header) or "").removeprefix("\ufeff").split("\t")
    places = []
    for column in columns:
        if isinstance(column, str) and column not in names:
            raise InvalidInputError(
                f'{path}: has no column "{column}" in its first line, only {", ".join(names)[:200]}'
            )
        places.append(names.index(column) + 1 if isinstance(column, str) else column)
    return places


def _row(line: bytes | None, places: Sequence[int]) -> Texts:
    text = _decode(line)
    if text is None:
        raise ValueError("is not UTF-8, or too long")
    fields = text.split("\t")
    if len(fields) < max(places):
        raise LookupError(max(places))
    return tuple(fields[place - 1] for place in places)


def _record(line: bytes | None, names: Sequence[str | int]) -> Texts:
    if line is None:
        raise ValueError("is too long")
    record = msgspec.json.decode(line)
    return tuple(_member(record, str(name)) for name in names)


def _member(record: Any, name: str) -> str:
    """A member of a JSON object; with dots, of an object in it: translation.en."""
    if isinstance(record, dict) and name not in record and "." in name:
        first, _, rest = name.partition(".")
        return _member(record[first], rest)
    found = record[name]
    if found is None:
        return ""
    if not isinstance(found, str):
        raise TypeError(f'"{name}" is not a text')
    return found


def _read_parquet(
    path: str, columns: Sequence[str | int], start: int, stripe: int, stripes: int
) -> Generator[tuple[int, Texts | None], None, None]:
    try:
        import pyarrow
        from pyarrow import compute, parquet
    except ImportError as error:
        raise InvalidInputError(f"{path}: needs pyarrow: pip install 'dragoman[streams]'") from error
    names = [str(column) for column in columns]
    with ExitStack() as stack:
        try:
            file = stack.enter_context(parquet.ParquetFile(stack.enter_context(open_file(path))))
        except pyarrow.ArrowInvalid as error:
            raise InvalidInputError(f"{path}: is no readable Parquet file: {error}") from error
        schema = file.schema_arrow
        number = first = 0  # records before the row group; row groups before the start
        while first < file.num_row_groups and number + file.metadata.row_group(first).num_rows <= start:
            number += file.metadata.row_group(first).num_rows
            first += 1
        for batch in file.iter_batches(_ROWS, row_groups=range(first, file.num_row_groups), columns=names):
            texts = []
            for name in names:
                parts = [name] if name in schema.names else name.split(".")
                if parts[0] not in batch.schema.names:
                    raise InvalidInputError(f'{path}: has no column "{name}", only {", ".join(schema.names)[:200]}')
                array = batch.column(parts[0])
                for part in parts[1:]:
                    array = compute.struct_field(array, part)
                if not (pyarrow.types.is_string(array.type) or pyarrow.types.is_large_string(array.type)):
                    raise InvalidInputError(f'{path}: the column "{name}" is of type {array.type}, not of texts')
                texts.append(array.to_pylist())
            for row in zip(*texts, strict=True):
                if number >= start and number % stripes == stripe:
                    yield number, tuple(text or "" for text in row)
                number += 1


_END: Any = object()


def _lines(file: BufferedReader) -> Iterator[bytes | None]:
    """Lines without their end; None for one that is too long."""
    while line := file.readline(MAX_LINE_BYTES):
        if line.endswith(b"\n"):
            yield line[:-2] if line.endswith(b"\r\n") else line[:-1]
        elif len(line) < MAX_LINE_BYTES:
            yield line
        else:
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield None


def _decode(line: bytes | None) -> str | None:
    if line is None:
        return None
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None
