"""Packages and states of translators' tools, and folders with catalogues of many languages."""

import zipfile
from pathlib import Path

import pytest

from dragoman.training.intake.making import make_corpus
from dragoman.training.intake.request import NoPairError, Request
from dragoman.training.intake.sources import find_sources

MEMOQ = """<?xml version="1.0"?><xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2" xmlns:mq="MQXliff">
<file original="x" source-language="en-us" target-language="de" datatype="x-memoq"><body>
<trans-unit id="1" mq:status="ManuallyConfirmed"><source>Open <bpt id="1">{}</bpt>the<ept id="1">{}</ept> file</source>
<target>Öffnen Sie <bpt id="1">{}</bpt>die<ept id="1">{}</ept> Datei</target></trans-unit>
<trans-unit id="2" mq:status="NotStarted"><source>Close</source><target>Close</target></trans-unit>
<trans-unit id="3" mq:status="Rejected"><source>Red</source><target>Blau</target></trans-unit>
</body></file></xliff>"""

TRADOS = """<?xml version="1.0"?><xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2" xmlns:sdl="sdl">
<file original="a" source-language="en-US" target-language="de-DE" datatype="x"><body><group><trans-unit id="1">
<source>One. Two. Three.</source><seg-source><mrk mtype="seg" mid="1">One.</mrk> <mrk mtype="seg" mid="2">Two.</mrk>
<mrk mtype="seg" mid="3">Three.</mrk></seg-source><target><mrk mtype="seg" mid="1">Eins.</mrk>
<mrk mtype="seg" mid="2">Falsch.</mrk> <mrk mtype="seg" mid="3"/></target><sdl:seg-defs><sdl:seg id="1" conf="Draft"/>
<sdl:seg id="2" conf="RejectedTranslation"/><sdl:seg id="3"/></sdl:seg-defs></trans-unit></group></body></file>
</xliff>"""

PO = 'msgid ""\nmsgstr "Language: {0}\\nContent-Type: text/plain; charset=UTF-8\\n"\n\n{1}'


def read(path: Path) -> list[tuple[str, str]]:
    return [pair for source in find_sources([path], Request("en", "de")) for pair in source.read()]


def test_a_package_of_memoq_without_what_is_not_confirmed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.mqxlz", "w") as archive:
        archive.writestr("document.mqxliff", MEMOQ)
        archive.writestr("skeleton.xml", "<a/>")
    assert read(tmp_path / "a.mqxlz") == [("Open the file", "Öffnen Sie die Datei")]


def test_segments_that_a_reviewer_rejected_are_left_out(tmp_path: Path) -> None:
    (path := tmp_path / "a.sdlxliff").write_text(TRADOS, encoding="utf-8-sig")
    assert read(path) == [("One.", "Eins.")]


def test_a_folder_with_catalogues_of_many_languages(tmp_path: Path) -> None:
    entries = "".join(f'msgid "Open file number {n}"\nmsgstr "Öffne die Datei {n}"\n\n' for n in range(200))
    for language, text in (("de", entries), ("fr", entries), ("es", 'msgid "Open"\nmsgstr ""\n')):
        (folder := tmp_path / language / "LC_MESSAGES").mkdir(parents=True)
        (folder / "app.po").write_text(PO.format(language, text), encoding="utf-8")
    request = Request("en", "de")
    made = make_corpus(find_sources([tmp_path], request), request, tmp_path / "out", is_cleaned=False)
    assert sorted(made.pairs.values()) == [0, 0, 200]
    assert sum("has no pair of en and de" in note for note in request.notes) == 2


def test_catalogues_of_other_languages_alone_are_refused(tmp_path: Path) -> None:
    (path := tmp_path / "x.po").write_text(PO.format("fr", 'msgid "Open"\nmsgstr "Ouvrir"\n'), encoding="utf-8")
    request = Request("en", "de")
    with pytest.raises(NoPairError, match="it has fr"):
        make_corpus(find_sources([path], request), request, tmp_path / "out")
    path.write_text(PO.format("de", 'msgid "Open"\nmsgstr ""\n'), encoding="utf-8")
    with pytest.raises(NoPairError, match="has en and de, but no text with its translation"):
        read(path)
