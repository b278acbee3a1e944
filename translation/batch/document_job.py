"""Translate a document, and after a kill at any moment continue where it stopped.

The partial file of `progress` has a line of JSON for each segment so far: null for one that stays, else its content, a
text as a string and a tag as [raw, role, shown].
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.translation.batch.job import JobProgress, JobSummary
from dragoman.translation.batch.progress import JobFiles, Parameters
from dragoman.translation.documents.document import Document
from dragoman.translation.documents.translating import BLOCK, TranslateTexts, translate_segments
from dragoman.translation.markup.content import Content, Role, Tag


def run_document_job(
    content: bytes,
    document: Document,
    output_path: Path,
    translate: TranslateTexts,
    *,
    language: str,
    retranslate: bool,
    parameters: Parameters,
    overwrite: bool = False,
    on_progress: Callable[[JobProgress], None] | None = None,
) -> JobSummary:
    """Write the translated document. Running it again after a crash continues.

    content: the file that was opened as `document`. language: of the source, for finding sentences.
    parameters: everything that the output depends on beside the content.

    Raises InvalidInputError if it was begun with another content or other parameters, and what `JobFiles` raises.
    """
    checksum = hashlib.sha256(content).hexdigest()
    total = len(document.segments)
    with JobFiles(
        output_path, {**parameters, "retranslate": retranslate}, is_resumable=True, overwrite=overwrite
    ) as files:
        if files.journal is not None and files.journal.input_sha256 != checksum:
            raise InvalidInputError(
                f"{output_path}: the document has changed since the job was begun; put it back, or "
                f"{files.explain_start_over()}"
            )
        num_resumed = number = files.resume()
        files.checkpoint(number, checksum)
        for translation in translate_segments(
            document.segments, translate, language, retranslate=retranslate, num_done=num_resumed
        ):
            files.append(encode_content(translation))
            number += 1
            if (number - num_resumed) % BLOCK == 0:
                files.checkpoint(number, checksum)
            if on_progress is not None:
                on_progress(JobProgress(number, num_resumed, number, total))
        files.checkpoint(number, checksum)
        files.complete(lambda lines: write_atomically(output_path, document.render(_read_contents(lines, total))))
    return JobSummary(total, num_resumed)


def encode_content(content: Content | None) -> bytes:
    """A line of the partial file."""
    pieces = None if content is None else [_encode_piece(piece) for piece in content]
    return json.dumps(pieces).encode() + b"\n"  # ASCII: a lone surrogate passes


def decode_content(line: bytes) -> Content | None:
    """The inverse of `encode_content`."""
    pieces = json.loads(line)
    if pieces is None:
        return None
    return tuple(piece if isinstance(piece, str) else Tag(piece[0], Role[piece[1]], piece[2]) for piece in pieces)


def _encode_piece(piece: str | Tag) -> str | list[str]:
    return piece if isinstance(piece, str) else [piece.raw, piece.role.name, piece.shown]


def _read_contents(path: Path, number: int) -> Sequence[Content | None]:
    with path.open("rb") as file:
        return [decode_content(line) for line in islice(file, number)]
