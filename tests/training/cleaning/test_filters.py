"""Each filter of a corpus against examples: what it rejects, what it must leave alone, and what it says."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError
from dragoman.training.cleaning.cleaner import apply_filters, make_filters
from dragoman.training.cleaning.encoding import Mojibake, Repairer
from dragoman.training.cleaning.filters import (
    Blank,
    BrokenCharacters,
    Copy,
    FewLetters,
    Length,
    LengthRatio,
    Markup,
    Numbers,
    Repetition,
)
from dragoman.training.cleaning.options import FILTERS, OFF_BY_DEFAULT, CleaningOptions
from dragoman.training.cleaning.pairs import Pair
from dragoman.training.cleaning.repeats import HashCounter, Repeats

GOOD = "ein ganz gewöhnlicher Satz"


@pytest.mark.parametrize("text", ["", " \t", "\u00a0\u3000", "\u200b", "\ufeff\u00ad"])
def test_blank_sides_are_found(text: str) -> None:
    assert Blank().find_fault(Pair(1, text, GOOD)) == "source is blank"
    assert Blank().find_fault(Pair(1, GOOD, text)) == "target is blank"


@pytest.mark.parametrize("text", [".", "a\u200bb", " x "])
def test_what_can_be_seen_is_not_blank(text: str) -> None:
    assert Blank().find_fault(Pair(1, text, GOOD)) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [("a\ufffdb", "FFFD"), ("a\x07", "0007"), ("\x85", "0085"), ("\uf0b7 x", "F0B7"), ("a\rb", "000D")],
)
def test_broken_characters_are_found(text: str, name: str) -> None:
    assert BrokenCharacters().find_fault(Pair(1, GOOD, text)) == f"target has U+{name}"


@pytest.mark.parametrize("text", ["a\tb", "à\u00a0la", "می\u200cخواهم", "日本語", "👩\u200d🚀", "\u200fשלום"])
def test_what_scripts_need_is_not_broken(text: str) -> None:
    assert BrokenCharacters().find_fault(Pair(1, text, text)) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [("fÃ¼r alle", "für alle"), ("donâ€™t", "don’t"), ("vidÃ©o", "vidéo"), ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет")],
)
def test_wrongly_decoded_text_is_found_and_mended(text: str, meant: str) -> None:
    assert Mojibake().find_fault(Pair(1, text, GOOD)) == f"source looks as if it was {meant!r}"
    pair = Pair(1, GOOD, text)
    Repairer().repair(pair)
    assert (pair.source, pair.target, pair.original) == (GOOD, meant, (GOOD, text))
    assert pair.target_words == meant.split()


@pytest.mark.parametrize("text", ["für “öffentliche” Größe", "AÇÃO", "ÄÖÜ", "привет, мир", "你好", "naïve café – “ça”"])
def test_rightly_decoded_text_is_left_alone(text: str) -> None:
    assert Mojibake().find_fault(Pair(1, text, text)) is None
    pair = Pair(1, text, text)
    Repairer().repair(pair)
    assert (pair.source, pair.original) == (text, None)


def test_lines_that_are_no_utf8_are_read_as_windows_1252() -> None:
    pair = Pair(1, "gr\ufffdn", "gr\ufffdün", undecodable=("grün \x80 5".encode("latin-1"), "grün".encode()))
    Repairer().repair(pair)
    assert (pair.source, pair.target, pair.undecodable) == ("grün € 5", "grün", None)


def test_repairing_takes_control_characters_out_but_cannot_bring_back_what_is_lost() -> None:
    pair = Pair(1, "a\x00b\x07", "a\ufffdb")
    Repairer().repair(pair)
    assert (pair.source, pair.target) == ("ab", "a\ufffdb")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ab", "source has 2 characters"),
        ("abcdefghijk", "source has 11 characters"),
        ("abc", "source has 1 words"),
        ("a b c d", "source has 4 words"),
        ("a b", None),
        ("a bcdefghi", None),
    ],
)
def test_length_has_bounds_that_are_allowed_themselves(text: str, fault: str | None) -> None:
    assert Length(3, 10, 2, 3).find_fault(Pair(1, text, "a b")) == fault


def test_a_maximum_of_0_is_no_bound() -> None:
    assert Length(0, 0, 0, 0).find_fault(Pair(1, "a " * 5000, "")) is None


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        ("x" * 60, "y" * 20, None),
        ("x" * 61, "y" * 20, "61 to 20 characters"),
        ("y" * 20, "x" * 61, "20 to 61 characters"),
        ("x" * 49, "y", None),  # too short to be judged
        ("abcd " * 12, "Satz" * 10 + " zwei drei", "12 to 3 words"),
        ("x" * 50, "", "50 to 0 characters"),
        ("ᏓᏨᏃᎯᏎᎵᏥᎸᏉᏗ ᎨᏒ ᎯᏥᏥ.", "I'd think it's only fair, Ilikedyou verywell, thankyou.", None),
        ("数据线已断开连接请重新插入", "The data cable was disconnected, please plug it in again", "1 to 10 words"),
    ],
)
def test_ratio_of_lengths(source: str, target: str, fault: str | None) -> None:
    assert LengthRatio(3.0, 50).find_fault(Pair(1, source, target)) == fault


def test_words_are_not_compared_where_no_spaces_are_written() -> None:
    pair = Pair(1, "one two three four five six seven eight nine ten", "一" * 40)
    for target, expected in (("de", "10 to 1 words"), ("zh", None), ("zh-TW", None), ("chr", None)):
        (ratio,) = (
            filter_
            for filter_ in make_filters(CleaningOptions(ratio_from=40, off=("language",)), "en", target)
            if filter_.name == "ratio"
        )
        assert ratio.find_faults([pair]) == [expected]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("12 34 56", "source has 0 letters in 6 characters"),
        ("@@", "source has 0 letters in 2 characters"),
        ("a: 1234567", "source has 1 letters in 9 characters"),
        ("It's 3:30.", None),
        ("हिन्दी", None),  # half of it are combining marks
        ("你好吗？", None),
        ("", None),  # blank, not without letters
    ],
)
def test_sides_with_few_letters(text: str, fault: str | None) -> None:
    assert FewLetters(0.3).find_fault(Pair(1, text, GOOD)) == fault


@given(st.text("ab1 .हि", max_size=12), st.floats(0, 1))
def test_letters_are_counted_as_in_the_slow_twin(text: str, min_share: float) -> None:
    shown = [character for character in text if not character.isspace()]
    num_letters = sum(unicodedata.category(character)[0] in "LM" for character in shown)
    fault = FewLetters(min_share).find_side_fault(text, text.split())
    assert (fault is None) == (num_letters >= min_share * len(shown))


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        ("a b c", "a b c", "source and target are equal"),
        ("A b C", "c B a", "3 of 3 words are equal"),
        ("one two three four five", "one two three four fünf", None),  # 4 of 5 are as many as may be
        ("one two three four five six", "one two three four five sechs", "5 of 6 words are equal"),
        ("no no no no no yes", "no a b c d e", None),
        ("Tom?", "Tom?", None),  # too short to be judged
        ("New York", "New York", None),
        ("Tom saw Mary in Boston", "Tom sah Maria in Boston", None),
    ],
)
def test_copies(source: str, target: str, fault: str | None) -> None:
    assert Copy(0.8, 3).find_fault(Pair(1, source, target)) == fault


words = st.lists(st.sampled_from("abcdA"), max_size=8)


@given(words, words, st.floats(0, 1))
def test_overlap_equals_its_slow_twin(source: list[str], target: list[str], max_overlap: float) -> None:
    fault = Copy(max_overlap, 1).find_fault(Pair(1, " ".join(source), " ".join(target)))
    shared = (Counter(map(str.lower, source)) & Counter(map(str.lower, target))).total()
    is_copy = (bool(source) and source == target) or shared > max_overlap * max(len(source), len(target))
    assert (fault is not None) == is_copy


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ho" + "o" * 10, "target has 'o' 11 times on end"),
        ("h" + "o" * 10, None),
        ("-" * 30, "target has '-' 30 times on end"),
        ("no, No, no, no, no, no!", "target has 'no' 6 times on end"),
        ("no no no no no", None),
        ("that a b that c that d that e that f that", None),
    ],
)
def test_repetition_on_end(text: str, fault: str | None) -> None:
    assert Repetition(10, 5).find_fault(Pair(1, GOOD, text)) == fault


@pytest.mark.parametrize("text", ["<b>x", "x<br/>", '<a href="u">', "a &amp; b", "&#39;", "see https://x.y", "www.x.y"])
def test_markup_is_found(text: str) -> None:
    assert str(Markup().find_fault(Pair(1, text, GOOD))).startswith("source has ")


@pytest.mark.parametrize("text", ["a < b and c > d", "AT&T; R&D", "<3", "the WWW. And"])
def test_what_only_looks_like_markup_is_left_alone(text: str) -> None:
    assert Markup().find_fault(Pair(1, text, text)) is None


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        ("in 1998", "im Jahr 1998", None),
        ("$1,000.50", "1.000,50 $", None),
        ("6:30", "6.30 Uhr", None),
        ("٣ كتب", "3 Bücher", None),
        ("in 1998", "1989", "source has 1998, target has 1989"),
        ("300 years", "dreihundert Jahre", "source has 300, target has no other"),
        ("9" * 5000, "9" * 5000, None),
    ],
)
def test_numbers(source: str, target: str, fault: str | None) -> None:
    assert Numbers().find_fault(Pair(1, source, target)) == fault


# Repeats.


@given(st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=9), max_size=12))
def test_hashes_are_counted_as_by_a_counter(blocks: list[list[int]]) -> None:
    counter, twin = HashCounter(), Counter[int]()
    for block in blocks:
        expected = []
        for number in block:
            expected.append(twin[number])
            twin[number] += 1
        assert counter.add(np.array(block, np.int64)).tolist() == expected


def test_a_million_hashes_take_twelve_megabytes() -> None:
    counter = HashCounter()
    hashes = np.random.default_rng(0).integers(-(2**63), 2**63, 1_000_000, np.int64)
    for block in np.array_split(hashes, 50):
        assert not counter.add(block).any()
    assert counter.num_bytes == 12_000_000
    assert (counter.add(hashes[:5000]) == 1).all()


def test_equal_pairs_are_kept_once() -> None:
    pairs = [Pair(1, "a", "b"), Pair(2, "a", "c"), Pair(3, " a", "b "), Pair(4, "b", "a")]
    duplicate = Repeats("pair", 1)
    assert duplicate.find_faults(pairs) == [None, None, "pair number 2 of its kind", None]
    assert duplicate.find_faults([Pair(5, "a", "b")]) == ["pair number 3 of its kind"]
    assert duplicate.find_faults([]) == []


def test_spaces_make_no_other_pair() -> None:
    pairs = [Pair(1, "a small house", "ein Haus"), Pair(2, " a  small\u00a0house", "ein Haus\t"), Pair(3, "a", "b")]
    for what in ("pair", "source", "target"):
        assert Repeats(what, 1).find_faults(pairs) == [None, f"{what} number 2 of its kind", None]


def test_one_side_may_come_so_many_times() -> None:
    pairs = [Pair(number, "a", str(number)) for number in range(4)]
    assert Repeats("source", 2).find_faults(pairs) == [None, None, *(f"source number {n} of its kind" for n in (3, 4))]
    assert Repeats("target", 1).find_faults(pairs) == [None] * 4


# All of them.


def test_a_pair_is_charged_to_the_first_filter_that_finds_a_fault() -> None:
    filters = make_filters(CleaningOptions(off=("language",)))
    pairs = [Pair(1, "", "\ufffd"), Pair(2, "\ufffd", "1"), Pair(3, "1", "2"), Pair(4, "good", "gut"), Pair(5, "", "")]
    charges = apply_filters(filters, pairs)
    assert [charge and charge[0].name for charge in charges] == ["blank", "characters", "letters", None, "blank"]


@pytest.mark.parametrize("name", [name for name in FILTERS if name not in ("language", "fluency")])
def test_each_filter_can_be_turned_on_and_off(name: str) -> None:
    assert [filter_.name for filter_ in make_filters(CleaningOptions(on=(name,), off=("language",)))].count(name) == 1
    assert name not in [filter_.name for filter_ in make_filters(CleaningOptions(off=(name, "language")))]
    assert (name in CleaningOptions().filters) == (name not in OFF_BY_DEFAULT)


def test_unknown_filters_and_missing_languages_are_named() -> None:
    with pytest.raises(InvalidInputError, match="there is no filter 'speling'; there are utf8, blank, "):
        make_filters(CleaningOptions(off=("speling",)))
    with pytest.raises(InvalidInputError, match="give --from and --to; or --off language"):
        make_filters(CleaningOptions(), "en")
    with pytest.raises(InvalidInputError, match="does not know the language 'xx': leave it out, --off language"):
        make_filters(CleaningOptions(), "en", "xx")
