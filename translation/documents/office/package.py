"""The zip files that office documents are: parts in, changed parts out, and everything else as it was."""

import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO

from dragoman.model.errors import InvalidInputError

MAX_PARTS = 20_000
MAX_BYTES = 1 << 30
"""Unpacked bytes of all parts."""

MAX_XML_BYTES = 128 << 20
"""Unpacked bytes of a part that is read; its tree takes some ten times as many in memory."""

MAX_RATIO = 200
"""Unpacked bytes for one that is packed, of a file with more than `_HARMLESS_BYTES`. XML of an office program stays
below 100."""

_HARMLESS_BYTES = 64 << 20
_MAX_REASON = 120
"""Characters; a damaged file's names may be longer than a line."""

_CHUNK = 1 << 20
_OLD_FORMAT = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Package:
    """A zip file in memory, all of whose parts can be read.

    Raises InvalidInputError, naming the part, for what is damaged, encrypted, too large, or named as no part may be.
    """

    def __init__(self, data: bytes) -> None:
        if data.startswith(_OLD_FORMAT):
            raise InvalidInputError(
                "is encrypted, or of an old binary format; save it without a password as .docx, .xlsx or .pptx"
            )
        try:
            self._file = zipfile.ZipFile(BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise InvalidInputError(f"is no office document, or a damaged one: {_sentence(error)}") from error
        self._data = data
        self._infos = {info.filename: info for info in self._file.infolist()}
        if len(self._infos) != len(self._file.infolist()):
            raise InvalidInputError("two of its parts have the same name")
        if len(self._infos) > MAX_PARTS:
            raise InvalidInputError(f"has {len(self._infos):,} parts, but {MAX_PARTS:,} are the most")
        budget = min(MAX_BYTES, max(_HARMLESS_BYTES, MAX_RATIO * len(data)))
        for info in self._infos.values():
            _check_name(info)
            budget = self._check_content(info, budget)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all parts, in their order."""
        return tuple(self._infos)

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def read(self, name: str) -> bytes:
        """A part; InvalidInputError if it is larger than `MAX_XML_BYTES`."""
        size = self._infos[name].file_size
        if size > MAX_XML_BYTES:
            raise InvalidInputError(f"{name}: has {size:,} bytes, but {MAX_XML_BYTES:,} are the most")
        return self._file.read(name)

    def replace(self, changed: Mapping[str, bytes]) -> bytes:
        """The file with other contents for some parts. Order, names, dates and kind of compression stay."""
        if not changed:
            return self._data
        output = BytesIO()
        with zipfile.ZipFile(output, "w") as copy:
            copy.comment = self._file.comment
            for name, info in self._infos.items():
                data = changed[name] if name in changed else self._file.read(name)
                copy.writestr(_copy_info(info), data)
        return output.getvalue()

    def _check_content(self, info: zipfile.ZipInfo, budget: int) -> int:
        """Reads a part to its end, and returns the bytes that the others may have."""
        try:
            with self._file.open(info) as part:
                while chunk := part.read(_CHUNK):
                    budget -= len(chunk)
                    if budget < 0:
                        raise InvalidInputError(f"{info.filename}: is far larger unpacked than packed: a zip bomb")
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
            raise InvalidInputError(f"{info.filename}: is damaged: {_sentence(error)}") from error
        return budget


class FlatFile:
    """A document that is a single part."""

    name = "the file"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def replace(self, changed: Mapping[str, bytes]) -> bytes:
        """The file with other contents."""
        return changed.get(self.name, self.data)


def _check_name(info: zipfile.ZipInfo) -> None:
    name = info.filename
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in name or ":" in parts[0]:
        raise InvalidInputError(f"a part is named {name!r}, which leads out of the document")
    if info.flag_bits & 0x1:
        raise InvalidInputError(f"{name}: is encrypted; save the document without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InvalidInputError(f"{name}: is compressed in a way that office documents do not use")


def _copy_info(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Without extra fields, whose form in a part's own header is not the one that the directory has."""
    copy = zipfile.ZipInfo(info.filename, info.date_time)
    copy.compress_type = info.compress_type
    copy.comment = info.comment
    copy.create_system = info.create_system
    copy.external_attr = info.external_attr
    copy.internal_attr = info.internal_attr
    return copy


def _sentence(error: Exception) -> str:
    return str(error)[:_MAX_REASON].rstrip(".") or type(error).__name__
