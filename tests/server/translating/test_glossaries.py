"""The server's named glossaries."""

from pathlib import Path

import pytest

from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.server.translating import glossaries
from dragoman.server.translating.glossaries import (
    Glossaries,
    GlossariesFullError,
    GlossaryExistsError,
    NoGlossariesError,
)

TABLE = "en\tde\tcase\nhouse\tHaus|Gebäude\t\nFirefox\t=\t\nIT\tEDV\texact\n".encode()


def test_glossaries_survive_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "glossaries"
    stored = Glossaries(folder)
    assert stored.list() == []
    first = stored.create("house", TABLE, "tsv")
    stored.create("b-2", b"en,fr\ndog,chien\n", "csv")
    (folder / "Not a name.tsv").write_text("x")
    again = Glossaries(folder)
    assert [one.name for one in again.list()] == ["b-2", "house"]
    assert again.get("house").glossary == first.glossary
    assert [one.source for one in again.get("house").finder("en", "de").find("The house")] == ["house"]
    assert again.get("house").finder("en", "de") is again.get("house").finder("en", "de")
    again.delete("house")
    assert [one.name for one in Glossaries(folder).list()] == ["b-2"]
    with pytest.raises(NotFoundError, match='there is no glossary "house"'):
        again.get("house")
    with pytest.raises(NotFoundError):
        again.delete("house")


@pytest.mark.parametrize("name", ["", "A", "../x", "-x", "x" * 64, "a.b", "a/b"])
def test_a_name_is_also_a_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="name: is"):
        Glossaries(tmp_path).create(name, TABLE, "tsv")
    assert not list(tmp_path.iterdir())


def test_a_taken_name_and_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Glossaries(tmp_path)
    stored.create("a", TABLE, "tsv")
    with pytest.raises(GlossaryExistsError):
        stored.create("a", TABLE, "tsv")
    monkeypatch.setattr(glossaries, "MAX_TOTAL_ENTRIES", 5)
    with pytest.raises(GlossariesFullError):
        stored.create("b", TABLE, "tsv")
    monkeypatch.setattr(glossaries, "MAX_GLOSSARIES", 1)
    with pytest.raises(GlossariesFullError):
        stored.create("b", b"en\tde\na\tb\n", "tsv")


def test_without_a_folder_there_is_none() -> None:
    with pytest.raises(NoGlossariesError, match=r"server\.glossaries"):
        Glossaries().create("a", TABLE, "tsv")
    assert Glossaries().list() == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DragomanError, match="file: "):
        Glossaries(tmp_path / "file")
    (tmp_path / "a.tsv").write_text("nothing")
    with pytest.raises(InvalidInputError, match=r"a\.tsv, line 1: "):
        Glossaries(tmp_path)
