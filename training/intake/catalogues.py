"""Gettext catalogues."""

from collections.abc import Iterator

from dragoman.model.errors import InvalidInputError
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
        catalogue = polib.pofile(_decode(content))
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{file.name}: is no gettext catalogue: {error}") from error
    language = catalogue.metadata.get("Language", "").strip() or file.path.stem.rpartition(".")[2]
    side = request.side_of(language)
    if side is None and catalogue.metadata.get("Language", "").strip():
        raise request.lacks(file.name, {language})
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

    return never_empty(pairs(), file.name, request, {language})


def _decode(content: bytes) -> str:
    """The text, in the charset that the header names."""
    head = content[:4096].decode("ascii", "ignore")
    charset = head.partition("charset=")[2].partition("\\n")[0].split('"')[0].strip() or "utf-8"
    try:
        return content.decode("utf-8-sig" if charset in ("CHARSET", "utf-8", "UTF-8") else charset)
    except LookupError as error:
        raise ValueError(f"unknown charset {charset}") from error
