"""The terms of a sentence."""

import pytest

from dragoman.translation.terms.matching import TermFinder
from dragoman.translation.terms.outcomes import TermOutcome, find_outcomes
from dragoman.translation.terms.reading import parse_glossary

TABLE = """en\tde\tcase
hard disk | HDD\tFestplatte\t
disk\tScheibe|Platte\t
city\tStadt\t
Firefox\t=\t
IT\tEDV\t
Bus\tBus\texact
save\tspeichern\t
red wine\tRotwein\t
C++\t=\t
car\tAuto\t
"""
GLOSSARY = parse_glossary(TABLE.encode(), "terms.tsv", "terms.tsv")
INTO_GERMAN, INTO_ENGLISH = TermFinder(GLOSSARY, "en", "de"), TermFinder(GLOSSARY, "de", "en")


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("A disk is full.", ["disk"]),
        ("Two Hard Disks and a hard\tdisk, and HDDs.", ["Hard Disks"]),  # each term once, the longer one first
        ("The hard disk has a disk.", ["hard disk", "disk"]),
        ("Cities, the city's disks", ["Cities", "disks"]),
        ("I like it; IT likes me.", ["IT"]),
        ("The bus, the Bus.", ["Bus"]),
        ("a diskette, a car-park and a scar", ["car"]),
        ("C++ and C", ["C++"]),
        ("carry", []),
        ("", []),
    ],
)
def test_english_terms_are_found_by_word_with_simple_inflection(sentence: str, found: list[str]) -> None:
    assert [term.source for term in INTO_GERMAN.find(sentence)] == found


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("Die Festplatten der Stadt", ["Festplatten", "Stadt"]),
        ("Speicherns? Des Autos, die Städte", ["Speicherns", "Autos"]),
        ("Der Firefox", ["Firefox"]),
    ],
)
def test_the_same_file_serves_the_other_direction(sentence: str, found: list[str]) -> None:
    assert [term.source for term in INTO_ENGLISH.find(sentence)] == found


def test_the_forms_are_those_of_the_target_with_a_capital_as_well() -> None:
    disk, save = INTO_GERMAN.find('A disk. "save"')
    assert disk.forms == ("Scheibe", "Platte")
    assert not disk.leads
    assert save.forms == ("speichern", "Speichern")
    assert "„" in save.leads
    (hard_disk,) = INTO_ENGLISH.find("Festplatte")
    assert hard_disk.forms == ("hard disk", "HDD", "Hard disk")


def test_what_is_not_translated_is_due_as_the_source_has_it() -> None:
    (term,) = INTO_GERMAN.find("FIREFOX rocks")
    assert (term.source, term.forms) == ("FIREFOX", ("FIREFOX",))


def test_regions_of_languages_do_not_matter() -> None:
    assert TermFinder(GLOSSARY, "en-GB", "de-AT").find("the disk")
    assert not TermFinder(GLOSSARY, "en", "fr").find("the disk")


def test_outcomes_have_the_place_of_a_form_as_a_whole_word() -> None:
    terms = INTO_GERMAN.find("disk, city, hard disk")
    found = find_outcomes(terms, "Die Scheibenwelt, STADT und die Platte.")
    assert found == (
        TermOutcome("disk", "Platte", (32, 38)),
        TermOutcome("city", "STADT", (18, 23)),
        TermOutcome("hard disk", reason="the translation lacks it"),
    )
    assert [one.is_met for one in found] == [True, True, False]


def test_two_terms_do_not_share_a_place() -> None:
    glossary = parse_glossary(b"en\tde\nsea\tSee\nlake\tSee\n", "a.tsv", "a.tsv")
    terms = TermFinder(glossary, "en", "de").find("The sea and the lake")
    assert [one.span for one in find_outcomes(terms, "Die See und der See")] == [(4, 7), (16, 19)]
    assert [one.is_met for one in find_outcomes(terms, "Die See")] == [True, False]
