"""Documents with a model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman import Translator, translate_document
from dragoman.model.errors import InvalidInputError, NotFoundError

MARKDOWN = b"# a small house\n\nThe **dog** sees `x = 1` the house.\n\na small house\n"


@pytest.fixture
def translator(tiny_bundle: Path) -> Iterator[Translator]:
    loaded = Translator.load(tiny_bundle)
    yield loaded
    loaded.close()


def test_a_document_is_translated_with_its_elements(translator: Translator, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(MARKDOWN)
    translated = translate_document(translator, path, "de")
    assert translate_document(translator, MARKDOWN, "German", document_format="markdown") == translated
    title, sentence, again = translated.decode().split("\n\n")
    assert title == f"# {again.strip()}"
    assert sentence.count("**") == 2
    assert "`x = 1`" in sentence
    assert path.read_bytes() == MARKDOWN


def test_the_target_is_named_by_its_tag(translator: Translator) -> None:
    po = b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "tree"\nmsgstr ""\n'
    assert b"Language: de\\n" in translate_document(translator, po, "German", document_format="po")


def test_what_cannot_be_translated_is_refused(translator: Translator, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is of no known format"):
        translate_document(translator, MARKDOWN, "de")
    with pytest.raises(NotFoundError, match=r"none\.md: no such file"):
        translate_document(translator, tmp_path / "none.md", "de")
