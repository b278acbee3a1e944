"""Gettext catalogues."""

from collections.abc import Iterator

from dragoman.model.errors import InvalidInputError
from dragoman.training.intake.encodings import is_utf8
from dragoman.training.intake.inputs import InputFile
from dragoman.training.intake.request import PairTexts, Request, never_empty, one_line

MAX_CATALOGUE_BYTES = 256 << 20
"""A catalogue is held in memory."""


def read_po(file: InputFile, request: Request) -> Iterator[PairTexts]:
    """The translated messages of a .po file, fuzzy and obsolete ones apart; of a plural the first and the last form.

    Messages are in the source language, or in the target language if the header says that the catalogue is for the
    source language. Raises InvalidInputError for a damaged file and for one of another language.
    """
    import polib

    with file.open() as stream:
        content = stream.read(MAX_CATALOGUE_BYTES + 1)
    if len(content) > MAX_CATALOGUE_BYTES:
        raise InvalidInputError(f"{file.name}: has more than {MAX_CATALOGUE_BYTES:,} bytes")
    try:
        catalogue = polib.pofile(_decode(content, file, request))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{file.name}: is no gettext catalogue: {error}") from error
    named = catalogue.metadata.get("Language", "").strip()
    side = request.side_of(named or file.path.stem.rpartition(".")[2])
    if side is None and named:
        raise request.lacks(file.name, {named})
    num_fuzzy = sum(entry.fuzzy for entry in catalogue)
    if num_fuzzy:
        request.note(f"{file.name}: {num_fuzzy:,} fuzzy messages are left out")

    def pairs() -> Iterator[PairTexts]:
        for entry in catalogue.translated_entries():
            forms = entry.msgstr_plural
            texts = [(entry.msgid, entry.msgstr)]
            if forms:
                texts = [(entry.msgid, forms[min(forms)]), (entry.msgid_plural, forms[max(forms)])][: len(forms)]
            for message, translation in texts:
                pair = one_line(message), one_line(translation)
                if all(pair):
                    yield pair[::-1] if side == 0 else pair

    found = {request.source, request.target} if side is not None else {named} if named else set()
    return never_empty(pairs(), file.name, request, found)


def _decode(content: bytes, file: InputFile, request: Request) -> str:
    """The text: UTF-8 if it can be, whatever the header says; otherwise in the charset that the header names, or as
    the languages suggest."""
    if is_utf8(content):
        return content.decode("utf-8-sig", "ignore")
    head = content[:4096].decode("ascii", "ignore")
    charset = head.partition("charset=")[2].partition("\\n")[0].split('"')[0].strip()
    try:
        return content.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return content.decode(file.find_encoding(request), "replace")
