"""Glossaries from files."""

from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.translation.terms.glossary import Entry, Glossary
from dragoman.translation.terms.reading import parse_glossary, read_glossary, write_table

TBX = """<?xml version="1.0"?>
<!DOCTYPE martif SYSTEM "TBXcoreStructV02.dtd">
<martif type="TBX" xml:lang="en"><text><body>
<termEntry id="1">
 <langSet xml:lang="en"><tig><term>hard disk</term></tig><tig><term>HDD</term></tig></langSet>
 <langSet xml:lang="de"><tig><term>Festplatte</term></tig>
  <tig><term>Harddisk</term><termNote type="administrativeStatus">deprecatedTerm-admn-sts</termNote></tig></langSet>
</termEntry></body></text></martif>
"""
TBX_3 = """<tbx xmlns="urn:iso:std:iso:30042:ed-2"><text><body><conceptEntry>
<langSec xml:lang="en"><termSec><term>café &amp; bar</term></termSec></langSec>
<langSec xml:lang="de-DE"><termSec><term>Café mit
 Bar</term></termSec></langSec></conceptEntry></body></text></tbx>
"""
TBX_MIN = """<TBX dialect="TBX-Min"><body><termEntry><langGroup xml:lang="en"><termGroup><term>dog</term>
<termStatus>preferred</termStatus></termGroup></langGroup><langGroup xml:lang="de"><termGroup><term>Hund</term>
</termGroup><termGroup><term>Köter</term><termStatus>obsolete</termStatus></termGroup></langGroup></termEntry></body>
</TBX>"""


def parse(text: str, name: str = "terms.tsv") -> Glossary:
    return parse_glossary(text.encode(), name, name)


def test_a_table_has_languages_forms_cases_and_notes() -> None:
    glossary = parse("\ufeffEN\tde\tcase\tNote\nhard  disk| HDD\tFestplatte\t\told\n\nBus\tBus\texact\n\tnichts\n")
    assert glossary.entries == (
        Entry({"en": ("hard disk", "HDD"), "de": ("Festplatte",)}),
        Entry({"en": ("Bus",), "de": ("Bus",)}, is_exact=True),
        Entry({"de": ("nichts",)}),
    )
    assert glossary.languages == ("en", "de")


def test_what_is_not_translated_is_the_same_in_all_languages() -> None:
    glossary = parse("en,de,fr\nFirefox,=,\n=,Bosch,=\n", "terms.csv")
    assert glossary.entries == (
        Entry({"en": ("Firefox",), "de": ("Firefox",)}, is_kept=True),
        Entry({"en": ("Bosch",), "de": ("Bosch",), "fr": ("Bosch",)}, is_kept=True),
    )


def test_columns_may_have_names_of_languages() -> None:
    (entry,) = parse("English\tDE-at\ncar\tAuto\n").entries
    assert entry.forms == {"en": ("car",), "de-at": ("Auto",)}


def test_a_csv_file_may_quote() -> None:
    assert parse('en,de\n"a, b","c ""d"""\n', "terms.csv").entries == (Entry({"en": ("a, b",), "de": ('c "d"',)}),)


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        (TBX, {"en": ("hard disk", "HDD"), "de": ("Festplatte",)}),
        (TBX_3, {"en": ("café & bar",), "de-de": ("Café mit Bar",)}),
        (TBX_MIN, {"en": ("dog",), "de": ("Hund",)}),
    ],
)
def test_tbx_of_every_kind_without_what_it_deprecates(text: str, forms: dict[str, tuple[str, ...]]) -> None:
    assert parse(text, "terms.tbx").entries == (Entry(forms),)


def test_a_written_table_is_read_as_the_same_glossary() -> None:
    glossary = parse("en\tde\tfr\tcase\nhard disk|HDD\tFestplatte\t\t\nFirefox\t=\t\t\nIT\tEDV\tTI\texact\n")
    assert parse(write_table(glossary)) == glossary


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("house\tHaus Haus\n", "a.tsv", r"a.tsv, line 1: the first line must name the languages"),
        ("en\n", "a.tsv", r"a.tsv, line 1: the first line must name the languages"),
        ("en\ten\nx\ty\n", "a.tsv", "a.tsv, line 1: two columns have the same name"),
        ("en\tde\na\tb\tc\n", "a.tsv", "a.tsv, line 2: 3 columns, but the first line names 2"),
        ("en\tde\tcase\na\tb\tno\n", "a.tsv", 'a.tsv, line 2: the column "case" has "no"'),
        ("en\tde\n=\t=\n", "a.tsv", "a.tsv, line 2: a term that is not translated has"),
        ("en\tde\n" + "x" * 201 + "\ty\n", "a.tsv", "a.tsv, line 2: the term .* has 201 characters"),
        ("en\tde\nx\t" + "|".join(map(str, range(33))), "a.tsv", "a.tsv, line 2: a term has 33 forms"),
        ("en\tde\n", "a.tsv", "a.tsv: has no terms"),
        ("", "a.xls", "a.xls: a glossary's name ends in .tsv, .csv or .tbx"),
        ("<a><b></a>", "a.tbx", "a.tbx, line 1: mismatched tag"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "a.tbx", "a.tbx, line 1: has entities of its own"),
    ],
)
def test_a_fault_is_named_with_its_line(text: str, name: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse(text, name)


def test_a_file_that_is_not_utf_8_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"en\tde\nB\xe4r\tx\n")
    with pytest.raises(InvalidInputError, match=r"a\.tsv, line 2: is not UTF-8"):
        read_glossary(tmp_path / "a.tsv")
    with pytest.raises(NotFoundError, match=r"b\.tsv: No such file"):
        read_glossary(tmp_path / "b.tsv")
