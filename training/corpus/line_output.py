"""Writing text files of a corpus, packed where the name says so, with a checksum of what was written."""

import gzip
import hashlib
from pathlib import Path
from typing import BinaryIO

from dragoman.model.files import refuse_to_replace
from dragoman.training.corpus.text_file import file_checksum
from dragoman.translation.lines import encode_line


class LineOutput:
    """One text a line; the same lines make the same bytes, packed ones too."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """path: the name that it is to have, gzip if that ends in .gz. file: where it is written until then."""
        self.path = path
        self._digested = _Digested(file)
        self._packed: gzip.GzipFile | None = None
        if path.suffix == ".gz":
            self._packed = pack_into(self._digested)

    def write(self, text: str) -> None:
        """One line; line breaks in it become spaces."""
        (self._packed or self._digested).write(encode_line(text))

    def finish(self, *, overwrite: bool) -> str:
        """The SHA-256 of all that was written, which is complete with this.

        Raises InvalidInputError if there is another file of that name, which may not be overwritten; one with the very
        same content is none.
        """
        if self._packed is not None:
            self._packed.close()
        checksum = self._digested.checksum.hexdigest()
        if not overwrite and self.path.exists() and file_checksum(self.path) != checksum:
            refuse_to_replace(self.path)
        return checksum


def pack_into(file: "BinaryIO | _Digested") -> gzip.GzipFile:
    """Packs what is written and, when it is closed, is complete in `file`. The same content makes the same bytes: no
    name and no time is among them."""
    return gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0)


class _Digested:
    """A file that keeps the checksum of what is written into it."""

    def __init__(self, file: BinaryIO) -> None:
        self.checksum = hashlib.sha256()
        self._file = file

    def write(self, data: bytes) -> int:
        self.checksum.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
