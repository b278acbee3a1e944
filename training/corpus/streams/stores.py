"""Files in a folder or in a store, such as s3://bucket/folder: found by patterns, and opened."""

import glob
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from dragoman.model.errors import InvalidInputError, NotFoundError

_BUFFER_BYTES = 1 << 20
_ARROW = {"s3": "S3FileSystem", "gs": "GcsFileSystem", "gcs": "GcsFileSystem"}
"""Stores that pyarrow knows, for where fsspec's own package is not installed."""

_PACKED = (".gz", ".zst")


class Found(NamedTuple):
    """A file: its path, or its address in a store, and its size in bytes."""

    path: str
    num_bytes: int


def find_files(patterns: Iterable[str]) -> list[Found]:
    """The files of each pattern, sorted, in the order of the patterns; each once.

    Raises NotFoundError for a pattern without a file, InvalidInputError for a store that cannot be reached.
    """
    found: dict[str, Found] = {}
    for pattern in patterns:
        files = _find_in_store(pattern) if "://" in pattern else _find_locally(pattern)
        if not files:
            raise NotFoundError(f"{pattern}: there is no such file")
        found |= {file.path: file for file in sorted(files)}
    return list(found.values())


def _find_locally(pattern: str) -> list[Found]:
    names = [pattern] if Path(pattern).exists() else glob.glob(pattern, recursive=True)
    return [Found(name, Path(name).stat().st_size) for name in names if Path(name).is_file()]


def _find_in_store(pattern: str) -> list[Found]:
    protocol, _, inner = pattern.partition("://")
    store = _store(protocol)
    with _reading(pattern):
        matches = store.glob(inner if protocol in _ARROW else pattern, detail=True)
        return [
            Found(f"{protocol}://{name.partition('://')[2] or name.lstrip('/')}", int(info["size"] or 0))
            for name, info in matches.items()
            if info["type"] == "file"
        ]


@cache
def _store(protocol: str) -> Any:
    """The file system of a protocol; each is connected once. Raises InvalidInputError if there is none."""
    import fsspec

    try:
        return fsspec.filesystem(protocol)
    except ImportError as error:
        if protocol in _ARROW:
            return _arrow_store(protocol)
        raise InvalidInputError(f"{protocol}://: {error}") from error
    except ValueError as error:
        raise InvalidInputError(f"{protocol}://: is no store that fsspec knows: {error}") from error


def _arrow_store(protocol: str) -> Any:
    try:
        import pyarrow.fs
    except ImportError as error:
        raise InvalidInputError(
            f"{protocol}:// needs pyarrow, or fsspec's own package: pip install 'dragoman[streams]'"
        ) from error
    from fsspec.implementations.arrow import ArrowFSWrapper

    options = {}
    if protocol == "s3" and (address := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")):
        options["endpoint_override"] = address  # of another store than Amazon's, which pyarrow does not read itself
    return ArrowFSWrapper(getattr(pyarrow.fs, _ARROW[protocol])(**options))


@contextmanager
def open_file(path: str) -> Iterator[io.BufferedReader]:
    """A file for reading, its content decompressed if the name ends in .gz or .zst.

    Raises NotFoundError, InvalidInputError without the package that decompresses, OSError for a file that cannot be
    read, and errors of the store's own.
    """
    with ExitStack() as stack:
        try:
            if "://" in path:
                protocol, _, inner = path.partition("://")
                opened = _store(protocol).open(inner if protocol in _ARROW else path, "rb")
            else:
                opened = Path(path).open("rb", buffering=0)  # noqa: SIM115 - the stack closes it
        except FileNotFoundError as error:
            raise NotFoundError(f"{path}: no such file") from error
        raw: Any = stack.enter_context(opened)
        if path.endswith(".gz"):
            raw = stack.enter_context(gzip.GzipFile(fileobj=raw, mode="rb"))
        elif path.endswith(".zst"):
            raw = stack.enter_context(_unpack(path, raw))
        yield stack.enter_context(io.BufferedReader(raw, _BUFFER_BYTES))


def _unpack(path: str, raw: Any) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise InvalidInputError(f"{path}: needs zstandard: pip install 'dragoman[streams]'") from error
    return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)


def unpacked_name(path: str) -> str:
    """The path in small letters, without .gz or .zst."""
    name = path.lower()
    return next((name.removesuffix(end) for end in _PACKED if name.endswith(end)), name)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(f"{path}: cannot be read: {error}") from error
