"""Figures compared by value."""

import pytest

from dragoman.translation.checks.figures import differing_figures


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("It costs 1,234.50.", "Das kostet 1.234,50."),
        ("1,234 people", "1234 Menschen"),
        ("1,234,567", "1 234 567"),
        ("$1,000,000", "1 Million Dollar"),
        ("1.5 million", "1.500.000"),
        ("It is 3.5 km.", "Es sind 3.5 km."),
        ("$5.00", "5 Dollar"),
        ("I have three dogs and 1 cat.", "Ich habe 3 Hunde und eine Katze."),
        ("He was born in 1999.", "Er wurde neunzehnhundertneunundneunzig geboren."),
        ("25 of them", "fünfundzwanzig von ihnen"),
        ("nineteen eighty-four", "1984"),
        ("2026-11-28", "28.11.2026"),
        ("the 21st of May", "der 21. Mai"),
        ("in the 1990s", "in den 90ern"),
        ("at 3:30 p.m.", "um 15:30 Uhr"),
        ("at 7.30 p.m.", "um 19.30 Uhr"),
        ("at 3:30", "um halb vier"),
        ("at 2:30", "um 2.30 Uhr"),
        ("from 9 a.m. to five", "von 9:00 bis 17 Uhr"),
        ("Call 555 0123.", "Rufen Sie 55 50 12 3 an."),
        ("He came in 2nd.", "Er wurde Zweiter."),
        ("007", "007"),
        ("It costs 1,250.50 dollars.", "Das kostet 1\u00a0250,50 Dollar."),
        ("It leaves at 16:45 p.m.", "Er fährt um 16:45 p.m. ab."),
        ("٣ cats", "3 Katzen"),
        ("No figures.", "Keine Zahlen."),
        ("", ""),
    ],
)
def test_the_same_values_do_not_differ(english: str, german: str) -> None:
    assert differing_figures(english, german, "en", "de") == ([], [])
    assert differing_figures(german, english, "de", "en-US") == ([], [])


@pytest.mark.parametrize(
    ("source", "target", "missing", "extra"),
    [
        ("I paid 333 euros.", "Ich habe 33 Euro bezahlt.", ["333"], ["33"]),
        ("It costs 2.5 euros.", "Das kostet 25 Euro.", ["2.5"], ["25"]),
        ("Call at 3:45.", "Ruf um 3:54 an.", ["45"], ["54"]),
        ("There were 40 guests.", "Es gab Gäste.", ["40"], []),
        ("There were guests.", "Es gab 40 Gäste.", [], ["40"]),
        ("7 and 7", "7", ["7"], []),
        ("1,234,567", "1.234.576", ["1,234,567"], ["1.234.576"]),
        ("version 1.2.3", "Version 1.2.4", ["3"], ["4"]),
        ("in 1987", "neunzehnhundertachtundachtzig", ["1987"], []),
        ("It costs $1,250.50.", "Es kostet $1.250.50.", ["1,250.50"], ["1", "250", "50"]),
        ("It leaves at 16:45.", "Er fährt um 16:45 p.m. ab.", [], ["16:45 p.m"]),
        ("It leaves at 4:45 p.m.", "Er fährt um 16:45 PM ab.", [], ["16:45 PM"]),
    ],
)
def test_other_values_are_found(source: str, target: str, missing: list[str], extra: list[str]) -> None:
    lacking, added = differing_figures(source, target, "en", "de")
    assert [source[begin:end] for begin, end in lacking] == missing
    assert [target[begin:end] for begin, end in added] == extra


def test_an_unlisted_language_may_write_round_numbers_in_words() -> None:
    assert differing_figures("12 dogs", "deuddeg ci", "en", "cy") == ([], [])
    assert differing_figures("1,347 dogs", "cŵn", "en", "cy") == ([(0, 5)], [])
