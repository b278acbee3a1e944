"""Each format of a team's files, with the habits of the programs that write them."""

import gzip
import json
import zipfile
from pathlib import Path

import openpyxl
import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.training.intake.request import Request
from dragoman.training.intake.sources import find_sources

EN = ["The house stands by the river.", "Please close the window.", "We will arrive on Monday evening."]
DE = ["Das Haus steht am Fluss.", "Bitte schließen Sie das Fenster.", "Wir werden am Montagabend ankommen."]
PAIRS = list(zip(EN, DE, strict=True))


def read(*paths: Path, columns: tuple[str, ...] = (), source: str = "en", target: str = "de") -> list[tuple[str, str]]:
    request = Request(source, target, columns)
    return [pair for found in find_sources(paths, request) for pair in found.read()]


def notes(*paths: Path) -> list[str]:
    request = Request("en", "de")
    for found in find_sources(paths, request):
        list(found.read())
    return request.notes


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def unit(source: str, target: str, *, languages: tuple[str, str] = ("en-US", "DE"), attribute: str = "xml:lang") -> str:
    sides = zip(languages, (source, target), strict=True)
    variants = (f'<tuv {attribute}="{code}"><seg>{text}</seg></tuv>' for code, text in sides)
    return f"<tu>{''.join(variants)}</tu>"


def tmx(*units: str, head: str = '<?xml version="1.0"?>') -> str:
    return f'{head}<!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx version="1.4"><header/><body>{"".join(units)}</body></tmx>'


def test_tmx_by_any_tag_of_the_language(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", tmx(*(unit(*pair) for pair in PAIRS)))
    assert read(path) == PAIRS
    path = write(tmp_path / "b.tmx", tmx(*(unit(*pair, languages=("de_DE", "EN"), attribute="lang") for pair in PAIRS)))
    assert read(path, source="de", target="en") == PAIRS


def test_tmx_in_utf_16_and_compressed(tmp_path: Path) -> None:
    text = tmx(unit(*PAIRS[1]), head='<?xml version="1.0" encoding="UTF-16"?>')
    assert read(write(tmp_path / "a.tmx", text, "utf-16")) == PAIRS[1:2]
    (tmp_path / "b.tmx.gz").write_bytes(gzip.compress(text.encode("utf-16")))
    assert read(tmp_path / "b.tmx.gz") == PAIRS[1:2]


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ('Click <bpt i="1">&lt;b&gt;</bpt>here<ept i="1">&lt;/b&gt;</ept>.', "Click here."),
        ("one<ph>&lt;br/&gt;</ph>two", "one two"),
        ("Hello <ph>%s</ph>, <ph>{0}</ph>!", "Hello %s, {0}!"),
        ("Hello <ph>%1$s</ph> and <ph>${name}</ph>", "Hello %1$s and ${name}"),
        ("a <hi>marked</hi> word<it pos='begin'>&lt;i&gt;</it>", "a marked word"),
        ("a <ph>&lt;img alt='<sub>picture</sub>'&gt;</ph> b", "a b"),
        ("two\n   lines", "two lines"),
        ("in<bpt i='1'>&lt;i&gt;</bpt>side<ept i='1'>&lt;/i&gt;</ept>", "inside"),
        ("<!-- a comment -->text", "text"),
    ],
)
def test_tmx_keeps_the_text_that_a_reader_sees(tmp_path: Path, segment: str, text: str) -> None:
    assert read(write(tmp_path / "a.tmx", tmx(unit(segment, "Ziel")))) == [(text, "Ziel")]


def test_tmx_takes_every_target_of_a_unit_and_no_other_language(tmp_path: Path) -> None:
    variants = "".join(
        f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>'
        for code, text in (("fr", "Oui"), ("de-AT", "Jo"), ("en-GB", "Yes"), ("de-DE", "Ja"), ("en-US", "Yeah"))
    )
    assert read(write(tmp_path / "a.tmx", tmx(f"<tu>{variants}</tu>"))) == [("Yes", "Jo"), ("Yes", "Ja")]


def test_tmx_without_the_languages_says_which_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", tmx(unit("Yes", "Oui", languages=("en-GB", "fr-FR"))))
    with pytest.raises(InvalidInputError, match=r"a\.tmx: has no pair of en and de; it has en-GB, fr-FR"):
        read(path)


def test_a_damaged_tmx_is_read_as_far_as_possible(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tmx", tmx(unit(*PAIRS[0]), unit("bad &#x1F; character", "schlecht"), unit(*PAIRS[1])))
    assert read(path) == [PAIRS[0], ("bad character", "schlecht"), PAIRS[1]]
    assert any("is damaged in 1 places" in note for note in notes(path))
    cut = write(tmp_path / "b.tmx", tmx(unit(*PAIRS[0]), unit(*PAIRS[1]))[:-120])
    assert read(cut)[0] == PAIRS[0]


def test_a_file_that_is_no_xml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"a\.tmx"):
        read(write(tmp_path / "a.tmx", "just text"))


def test_no_file_beside_a_tmx_is_read(tmp_path: Path) -> None:
    write(tmp_path / "secret", "secret")
    entity = '<?xml version="1.0"?><!DOCTYPE tmx [<!ENTITY x SYSTEM "secret">]>'
    text = tmx(unit("a &x; b", "c")).replace('<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "tmx14.dtd">', entity)
    assert read(write(tmp_path / "a.tmx", text)) == [("a b", "c")]


XLIFF_1 = """<?xml version="1.0"?><xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file source-language="en-US" target-language="de-DE" original="a" datatype="plaintext"><body>
<trans-unit id="1"><source>Save <g id="1">all</g><x id="2"/> files</source><target state="final">Alle sichern</target>
<alt-trans><source>Other</source><target>Anderes</target></alt-trans></trans-unit>
<trans-unit id="2"><source>New</source><target state="new">New</target></trans-unit>
<trans-unit id="3"><source>Empty</source><target/></trans-unit>
<trans-unit id="4"><source>One. Two.</source>
<seg-source><mrk mtype="seg" mid="1">One.</mrk> <mrk mtype="seg" mid="2">Two.</mrk></seg-source>
<target><mrk mtype="seg" mid="1">Eins.</mrk> <mrk mtype="seg" mid="2">Zwei.</mrk></target></trans-unit>
</body></file></xliff>"""

XLIFF_2 = """<?xml version="1.0"?>
<xliff version="2.0" srcLang="en" trgLang="de" xmlns="urn:oasis:names:tc:xliff:document:2.0"><file id="f">
<unit id="1"><segment state="final"><source>Open <pc id="1">it</pc><ph id="2" equiv="x"/></source>
<target>Öffne es</target></segment><segment><source>Not yet</source></segment>
<segment state="initial"><source>Draft</source><target>Draft</target></segment></unit></file></xliff>"""


def test_xliff_1_by_state_and_segment(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlf", XLIFF_1)
    assert read(path) == [("Save all files", "Alle sichern"), ("One.", "Eins."), ("Two.", "Zwei.")]
    assert any("2 segments have no translation yet" in note for note in notes(path))


def test_xliff_2(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.xliff", XLIFF_2)) == [("Open it", "Öffne es")]


def test_xliff_the_other_way_round(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.xliff", XLIFF_2), source="de", target="en") == [("Öffne es", "Open it")]
    with pytest.raises(InvalidInputError, match="it has de, en"):
        read(tmp_path / "a.xliff", source="fr", target="en")


def table(separator: str, header: str | None, *, extra: str = "7") -> str:
    rows = [separator.join((extra, german, english)) for english, german in PAIRS]
    return "".join(f"{row}\r\n" for row in ([header] if header else []) + rows)


@pytest.mark.parametrize(
    "header", ["id\tGerman\tEnglish", "id\tde-DE\ten-US", "id\ttarget text\tsource text", "nr\ttext_de\ttext_en", None]
)
def test_tsv_finds_its_columns(tmp_path: Path, header: str | None) -> None:
    assert read(write(tmp_path / "a.tsv", table("\t", header))) == PAIRS


@pytest.mark.parametrize(("separator", "encoding"), [(",", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-16")])
def test_csv_in_the_dialects_of_spreadsheets(tmp_path: Path, separator: str, encoding: str) -> None:
    quoted = table(separator, f"id{separator}de{separator}en").replace(DE[0], '"Das Haus,\nsagte ""er"", steht; da."')
    got = read(write(tmp_path / "a.csv", quoted, encoding))
    assert got == [(EN[0], 'Das Haus, sagte "er", steht; da.'), *PAIRS[1:]]


def test_a_text_file_with_tabs_and_attribution(tmp_path: Path) -> None:
    lines = [f"{one}\t{other}\tCC-BY 2.0 (France) Attribution: tatoeba.org #28772{n} (CM) & #859780{n} (Roujin)\n"
             for n, (one, other) in enumerate(PAIRS)]  # fmt: skip
    assert read(write(tmp_path / "deu.txt", "".join(lines))) == PAIRS


def test_columns_that_are_not_clear_are_asked_for(tmp_path: Path) -> None:
    rows = "".join(f"{english}\t{english} again\t{german}\n" for english, german in PAIRS)
    path = write(tmp_path / "a.tsv", rows)
    with pytest.raises(InvalidInputError, match=r"not clear which columns hold en and de.*--columns 1,2.*1 “The house"):
        read(path)
    assert read(path, columns=("1", "3")) == PAIRS
    with pytest.raises(InvalidInputError, match="has no column 4"):
        read(path, columns=("1", "4"))


def test_columns_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", table("\t", "Nr\tZiel\tAusgang"))
    assert read(path, columns=("Ausgang", "Ziel")) == PAIRS


def test_xlsx_by_sheets(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["Deutsch", "German", "English"])
    for english, german in PAIRS:
        sheet.append([1, german, english])
    workbook.create_sheet("Notes").append(["nothing here"])
    workbook.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx") == PAIRS
    assert any("sheet Notes" in note for note in notes(tmp_path / "a.xlsx"))
    with pytest.raises(InvalidInputError, match=r"b\.xlsx: is no workbook"):
        read(write(tmp_path / "b.xlsx", "no workbook"))


@pytest.mark.parametrize(
    "line",
    [
        '{{"en": {0}, "de": {1}}}',
        '{{"id": 3, "translation": {{"de": {1}, "en": {0}}}}}',
        '{{"source": {0}, "target": {1}, "score": 0.7}}',
        '{{"a": {1}, "b": {0}}}',
    ],
)
def test_json_lines(tmp_path: Path, line: str) -> None:
    lines = "".join(line.format(*map(json.dumps, pair)) + "\n" for pair in PAIRS)
    assert read(write(tmp_path / "a.jsonl", lines)) == PAIRS


def test_json_lines_names_the_bad_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"a\.jsonl, line 2: is no JSON"):
        read(write(tmp_path / "a.jsonl", '{"en": "a", "de": "b"}\n{oops\n'))


PO = r"""
msgid ""
msgstr "Language: de\nContent-Type: text/plain; charset=UTF-8\n"

msgid "Open file"
msgstr "Datei öffnen"

#, fuzzy
msgid "Close"
msgstr "Schluss"

msgid "untranslated"
msgstr ""

msgid "one file"
msgid_plural "%d files"
msgstr[0] "eine Datei"
msgstr[1] "%d Dateien"

#~ msgid "old"
#~ msgstr "alt"
"""


def test_gettext(tmp_path: Path) -> None:
    path = write(tmp_path / "x.po", PO)
    assert read(path) == [("Open file", "Datei öffnen"), ("one file", "eine Datei"), ("%d files", "%d Dateien")]
    assert any("1 fuzzy" in note for note in notes(path))
    with pytest.raises(InvalidInputError, match="has no pair of en and fr; it has de"):
        read(path, target="fr")


@pytest.mark.parametrize("names", [("c.en", "c.de"), ("c.en.txt", "c.de.txt"), ("en.txt", "de.txt"), ("c_eng", "c_deu"),
                                   ("en/c.txt", "de/c.txt"), ("c.en-de.en", "c.en-de.de")])  # fmt: skip
def test_text_files_by_their_names(tmp_path: Path, names: tuple[str, str]) -> None:
    for name, side in zip(names, (EN, DE), strict=True):
        write(tmp_path / name, "".join(f"{line}\n" for line in side))
    write(tmp_path / "README", "read me\n")
    assert read(tmp_path) == PAIRS
    assert read(*(tmp_path / name for name in names)) == PAIRS


def test_two_files_without_languages_in_their_names_are_looked_at(tmp_path: Path) -> None:
    one, other = (write(tmp_path / name, "\n".join(side)) for name, side in (("a", DE), ("b", EN)))
    assert read(one, other) == PAIRS
    assert any("b is taken as en" in note for note in notes(one, other))


def test_an_archive_and_a_compressed_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "opus.zip", "w") as archive:
        archive.writestr("Corpus.de-en.en", "\n".join(EN))
        archive.writestr("Corpus.de-en.de", "\n".join(DE))
        archive.writestr("LICENSE", "free")
    assert read(tmp_path / "opus.zip") == PAIRS
    for name, side in (("t.en.gz", EN), ("t.de.gz", DE)):
        (tmp_path / name).write_bytes(gzip.compress("\n".join(side).encode()))
    assert read(tmp_path / "t.en.gz", tmp_path / "t.de.gz") == PAIRS


def test_sides_of_different_length_are_refused(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.en", "x\n" * 3), write(tmp_path / "a.de", "y\n" * 5)
    with pytest.raises(InvalidInputError, match=r"a\.en has 3 lines, but .*a\.de has 5"):
        read(one, other)


def test_an_exotic_line_end_does_not_shift_the_sides(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.en", "x\u2028y\rz\r\nlast"), write(tmp_path / "a.de", "eins\nzwei\n")
    assert read(one, other) == [("x\u2028y\rz", "eins"), ("last", "zwei")]


def test_held_out_files_of_a_folder_stay_held_out(tmp_path: Path) -> None:
    for name, line in (("train.en", "a"), ("train.de", "b"), ("test.en", "c"), ("test.de", "d")):
        write(tmp_path / name, f"{line}\n")
    assert read(tmp_path) == [("a", "b")]
    assert read(tmp_path / "test.en", tmp_path / "test.de") == [("c", "d")]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match=r"no corpus of en and de was found: there is .*x\.pdf"):
        read(write(tmp_path / "x.pdf", "pdf"))
    write(tmp_path / "y.en", "alone\n")
    with pytest.raises(InvalidInputError, match="no corpus of en and de"):
        read(tmp_path / "y.en")
