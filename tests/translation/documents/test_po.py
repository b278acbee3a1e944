"""gettext's catalogues."""

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.catalogues.plurals import plural_forms
from dragoman.translation.documents.catalogues.po import Catalogue, open_document
from dragoman.translation.documents.catalogues.po_strings import read_strings, write_field
from dragoman.translation.documents.document import DocumentOptions

HEADER = """# Comment
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Language: de\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""


def open_text(text: str, language: str = "de", *, mark_fuzzy: bool = False) -> Catalogue:
    return open_document(text.encode(), DocumentOptions("en", language, mark_fuzzy))


def translate(text: str, *translations: str | None, language: str = "de", mark_fuzzy: bool = False) -> str:
    catalogue = open_text(text, language, mark_fuzzy=mark_fuzzy)
    return catalogue.render([None if found is None else (found,) for found in translations]).decode()


def test_only_the_lines_of_the_translation_change() -> None:
    message = '#. For the button\n#: a.c:1\nmsgctxt "menu"\nmsgid   "Open"\nmsgstr   ""\n'
    before = f'{HEADER}\n{message}\n#~ msgid "Old"\n#~ msgstr ""\n'
    assert translate(before, "Öffnen") == before.replace('msgstr   ""\n\n', 'msgstr "Öffnen"\n\n')
    (segment,) = open_text(before).segments
    assert (segment.text, segment.context, segment.notes) == ("Open", "menu", "For the button")


def test_an_existing_translation_counts_unless_it_is_fuzzy_or_in_another_language() -> None:
    text = f'{HEADER}\nmsgid "Yes"\nmsgstr "Ja"\n\n#, fuzzy, c-format\n#| msgid "Not"\nmsgid "No"\nmsgstr "Nicht"\n'
    assert [segment.is_translated for segment in open_text(text).segments] == [True, False]
    assert [segment.is_translated for segment in open_text(text, "fr").segments] == [False, False]
    assert [segment.is_translated for segment in open_text(text, "de-AT").segments] == [True, False]
    assert translate(text, None, "Nein") == text.replace(
        '#, fuzzy, c-format\n#| msgid "Not"\n', "#, c-format\n"
    ).replace("Nicht", "Nein")
    assert "Language: fr\\n" in translate(text, "Oui", "Non", language="fr")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", 'msgstr[0] "eine %d"\nmsgstr[1] "viele %d"\n'),
        ("ja", 'msgstr[0] "viele %d"\n'),
        ("pl", 'msgstr[0] "eine %d"\nmsgstr[1] "viele %d"\nmsgstr[2] "viele %d"\n'),
        ("ar", "".join(f'msgstr[{n}] "{"eine" if n == 1 else "viele"} %d"\n' for n in range(6))),
    ],
)
def test_plural_forms_are_as_many_as_the_language_has(language: str, expected: str) -> None:
    text = (
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=CHARSET\\n"\n\n'
        '#, c-format\nmsgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    )
    translated = translate(text, "eine %d", "viele %d", language=language)
    assert translated.endswith(f'msgid_plural "%d files"\n{expected}')
    assert f'"Plural-Forms: {plural_forms(language).header}\\n"' in translated
    assert f'"Language: {language}\\n"' in translated
    assert "charset=UTF-8" in translated


def test_a_translation_without_its_placeholders_is_fuzzy() -> None:
    text = f'{HEADER}\n#, python-format\nmsgid "%(n)s of %s, 100%%"\nmsgstr ""\n'
    assert "fuzzy" not in translate(text, "%s von %(n)s, 100%%")
    assert "#, fuzzy, python-format\n" in translate(text, "%s von %(n)d, 100%%")
    assert "#, fuzzy, python-format\n" in translate(text, "%(n)s von %s, 100%%", mark_fuzzy=True)
    assert '#, fuzzy\nmsgid "Yes"' in translate(f'{HEADER}\nmsgid "Yes"\nmsgstr ""\n', "Ja", mark_fuzzy=True)


def test_tags_are_tags_and_escapes_are_characters() -> None:
    (segment,) = open_text(
        f'{HEADER}\nmsgid ""\n"Say \\"<b>hi</b>\\"\\n"\n"to <a href=\\"x\\">%s</a>.\\n"\nmsgstr ""'
    ).segments
    assert segment.text == 'Say "hi"\nto %s.'
    assert (segment.trail, len(segment.elements)) == ("\n", 2)


def test_long_lines_are_wrapped_where_the_source_is() -> None:
    words = "word " * 40
    assert write_field("msgstr", words, "\n", is_wrapped=False) == [f'msgstr "{words}"\n']
    rows = write_field("msgstr", words, "\n", is_wrapped=True)
    assert max(map(len, rows)) <= 80
    assert "".join(map(read_strings, rows[1:])) == words
    assert write_field("msgstr", "a\nb\n", "\r\n", is_wrapped=False) == [
        'msgstr ""\r\n', '"a\\n"\r\n', '"b\\n"\r\n'
    ]  # fmt: skip


def test_the_charset_of_the_file_stays() -> None:
    text = HEADER.replace("UTF-8", "ISO-8859-1") + '\nmsgid "Öl"\nmsgstr ""\n'
    catalogue = open_document(text.encode("latin-1"), DocumentOptions("de", "fr"))
    assert catalogue.render([("Où",)]).endswith('msgid "Öl"\nmsgstr "Où"\n'.encode("latin-1"))
    with pytest.raises(InvalidInputError, match='charset ISO-8859-1 has no "ł"'):
        catalogue.render([("ł",)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('msgid "a"\nmsgstr "b\n', "line 2: is neither a comment, nor a keyword"),
        ('msgid "a"\nnonsense\n', "line 2: is neither a comment"),
        ('msgstr "a"\n', "line 1: msgstr has no msgid"),
        ('"a"\n', "line 1: a text in quotation marks has no keyword"),
        ('msgid "a"\nmsgid "b"\nmsgstr ""\n', "line 2: msgid is there twice"),
        ('msgid "a"\n', "line 1: the file ends in the middle"),
        ('msgid ""\nmsgstr "charset=x-none"\n', "its charset x-none is unknown"),
        ('msgid ""\nmsgstr "charset=ASCII"\nmsgid "ä"\n', "line 3: is not ASCII, as the header says"),
    ],
)
def test_a_broken_catalogue_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        open_text(text)
