"""Glossaries: terms in several languages, for any direction between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dragoman.model.errors import InvalidInputError
from dragoman.translation.languages import primary_subtag

KEPT = "="
"""In place of a term's forms: they are those of the other language, so the term is not translated."""

DIVIDER = "|"
"""Between the forms of a term."""

MAX_ENTRIES = 50_000
"""Most entries of a glossary."""

MAX_FORMS, MAX_FORM_LENGTH = 32, 200
"""Most forms of an entry in a language, and most characters of one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A term.

    forms:    for each language the phrases that stand for it: any of them is recognized in a source, and one of them
              is due in the translation.
    is_kept:  whether it is not translated: the translation has it as the source does.
    is_exact: whether a source must have the same capitals.
    """

    forms: Mapping[str, tuple[str, ...]] = field(hash=False)
    is_kept: bool = False
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Glossary:
    """Entries; of two with the same phrase, the first counts."""

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        """Raises InvalidInputError for too many entries."""
        if len(self.entries) > MAX_ENTRIES:
            raise InvalidInputError(f"a glossary has {len(self.entries)} entries; {MAX_ENTRIES} are possible")

    @property
    def languages(self) -> tuple[str, ...]:
        """Those of any entry, in the order in which they occur."""
        return tuple(dict.fromkeys(language for entry in self.entries for language in entry.forms))


def make_entry(cells: Mapping[str, str], *, is_exact: bool = False) -> Entry | None:
    """The entry of a row: for each language the forms with DIVIDERs between them, or KEPT; None for an empty row.

    Raises InvalidInputError for forms that make no sense.
    """
    forms = {language: split_forms(cell) for language, cell in cells.items() if cell.strip()}
    is_kept = (KEPT,) in forms.values()
    if is_kept:
        written = [one for one in forms.values() if one != (KEPT,)]
        if len(written) != 1:
            raise InvalidInputError(f'a term that is not translated has "{KEPT}" in all languages but one')
        forms = dict.fromkeys(forms, written[0])
    return Entry(forms, is_kept, is_exact) if forms else None


def split_forms(cell: str) -> tuple[str, ...]:
    """The forms of a cell, with single spaces. Raises InvalidInputError for too many or too long ones."""
    forms = tuple(dict.fromkeys(" ".join(form.split()) for form in cell.split(DIVIDER) if form.strip()))
    check_forms(forms)
    return forms


def check_forms(forms: Iterable[str]) -> None:
    """Raises InvalidInputError for too many or too long forms of a term."""
    forms = tuple(forms)
    if len(forms) > MAX_FORMS:
        raise InvalidInputError(f"a term has {len(forms)} forms; {MAX_FORMS} are possible")
    for form in forms:
        if len(form) > MAX_FORM_LENGTH:
            raise InvalidInputError(
                f'the term "{form[:20]}…" has {len(form)} characters; {MAX_FORM_LENGTH} are possible'
            )


def forms_in(entry: Entry, language: str) -> tuple[str, ...]:
    """The entry's forms in a language, or in one that differs by its region alone."""
    if language in entry.forms:
        return entry.forms[language]
    wanted = language.lower()
    for given, forms in entry.forms.items():
        if given.lower() == wanted:
            return forms
    for given, forms in entry.forms.items():
        if primary_subtag(given) == primary_subtag(wanted):
            return forms
    return ()
