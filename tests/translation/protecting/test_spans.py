"""Finding what must survive."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.translation.protecting.spans import Role, find_latin, find_spans, with_latin

ANY_TEXT = st.text(st.sampled_from("ab Z1.,:;-_%{}$#@*<>/\\[]()`&é😀\u200d🇩👍🏽→•\n\U000f0000\"'=")) | st.text()


def found(text: str) -> list[str]:
    return [text[span.begin : span.end] for span in find_spans(text)]


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("Hello %1$s, %(name)s and %-5.2f!", ["%1$s", "%(name)s", "%-5.2f"]),
        ("{0} of {count, number} in ${x} for {{ user.name }}", ["{0}", "{count, number}", "${x}", "{{ user.name }}"]),
        ("Ask __name__ or :name or %{name} or [[name]].", ["__name__", ":name", "%{name}", "[[name]]"]),
        ("Ask {my name} or {}.", ["{my name}", "{}"]),
        ("Click <0>here</0>.", ["<0>", "</0>"]),
        ("See (https://x.org/a_(b)), www.x.de.", ["https://x.org/a_(b)", "www.x.de"]),
        ("Mail a.b+c@x.co.uk, ask @tom about #fun.", ["a.b+c@x.co.uk", "@tom", "#fun"]),
        ("In /usr/lib/x.so or C:\\Program Files\\x.txt.", ["/usr/lib/x.so", "C:\\Program Files\\x.txt"]),
        ("At 192.168.0.1/24 or fe80::1 or example.de.", ["192.168.0.1/24", "fe80::1", "example.de"]),
        ("So 👨\u200d👩\u200d👧 from 🇩🇪 press 1\ufe0f\u20e3 👏🏽.", ["👨\u200d👩\u200d👧", "🇩🇪", "1\ufe0f\u20e3 👏🏽"]),
        ("It is -3.5 °C at 3:30 p.m. for $1,000,000.", ["-3.5 °C", "3:30 p.m.", "$1,000,000"]),
        ("Am 28.11.2026 um 15.30 Uhr, 1.234.567 €", ["28.11.2026", "15.30", "1.234.567 €"]),
        ("Call +49 30 123456 or (555) 123-4567 for A4.", ["+49 30 123456", "(555) 123-4567", "A4"]),
        ("Use `x = 1` in foo_bar() of std::vector<int>.", ["`x = 1`", "foo_bar()", "std::vector<int>"]),
        ("An iPhone &amp; a MAX_SIZE with --help.", ["iPhone", "&amp;", "MAX_SIZE", "--help"]),
        ("This is **very** *good*, a * b.", ["**", "**", "*", "*", "a * b"]),
        ("Only with -fstack-protector, opt->arg and x->y->z.", ["-fstack-protector", "opt->arg", "x->y->z"]),
        ("Since 1980,1991,1992 in 0001-a-b.patch", ["1980,1991,1992", "0001-a-b.patch"]),
        ("Key 9AA9BDB11BB1B99A21285A33 of 1967c04c0abc", ["9AA9BDB11BB1B99A21285A33", "1967c04c0abc"]),
        ("- one", ["-"]),
        ("2) two", ["2)"]),
    ],
)
def test_what_must_survive_is_found(text: str, due: list[str]) -> None:
    assert found(text) == due


@pytest.mark.parametrize(
    "text",
    [
        "This is an ordinary sentence, isn't it?",
        'Er sagte: "Das glaube ich nicht (noch nicht)."',
        "Ein- und Ausgang; und/oder, z.B. die Lehrerinnen – usw.",
        "I was the 42nd, in the 1990s.",
        "Kolleg*innen und MitarbeiterInnen",
        "Is 100% what you want? No.",
        "",
    ],
)
def test_ordinary_text_has_no_names_or_marks(text: str) -> None:
    assert [span for span in find_spans(text) if span.role is not Role.NUMBER] == []


def test_the_texts_of_an_icu_message_stay() -> None:
    text = "{n, plural, =0 {No file} one {# file {x}} other {# files}} left"
    assert found(text) == ["{n, plural, =0 {", "} one {", "#", "{x}", "} other {", "#", "}}"]
    assert found("{n, plural, one {# file") == []


@given(ANY_TEXT)
def test_spans_are_ascending_and_do_not_overlap(text: str) -> None:
    spans = find_spans(text)
    places = [place for span in spans for place in (span.begin, span.end)]
    assert places == sorted(places)
    assert all(span.begin < span.end for span in spans)
    begins = {span.begin: span.partner for span in spans}
    assert all(begins[partner] == begin for begin, partner in begins.items() if partner is not None)


@pytest.mark.parametrize(
    "part",
    [
        "a",
        ".",
        "@",
        "/",
        "\\",
        "{",
        "}",
        "{{",
        "{%",
        "<",
        "<a",
        "`",
        "*",
        "_",
        "(",
        "[",
        "-",
        ":",
        "::",
        "1",
        "1.",
        "1,",
        "1-",
        "1:",
        "#",
        "&",
        "%",
        "$",
        "=",
        ".a",
        "a.",
        "a@",
        "a/",
        "a_",
        "aA",
        "/a",
        "{a,",
        "😀",
        "\u200d",
        "🇩",
        "<a>",
        "</a>",
        "**",
        "\n-",
    ],
)
def test_hostile_text_ends(part: str) -> None:
    assert find_spans(part * (100_000 // len(part))) is not None
    assert find_spans(f"{part} " * (100_000 // (len(part) + 1))) is not None


@pytest.mark.parametrize(
    "text",
    ["He said « hello » to her.", "‹ No › is a word.", "«\u00a0No\u00a0» is a word.", "`No' and `yes' and ``no''"],
)
def test_a_quotation_mark_is_no_arrow(text: str) -> None:
    assert find_spans(text) == []


@pytest.mark.parametrize("text", ["“Is it new?” – “Yes.”", '"Is it new?" -- "Yes."', "„Neu?“ - „Ja.“"])
def test_the_dash_between_two_speakers_separates_sentences(text: str) -> None:
    (span,) = find_spans(text)
    assert (span.role, set(text[span.begin : span.end]) <= set("-–")) == (Role.BREAK, True)


@pytest.mark.parametrize("text", ["Tom – “the great” – came.", "It is new. - He came.", "“Is it new?” - No."])
def test_another_dash_does_not(text: str) -> None:
    assert find_spans(text) == []


@pytest.mark.parametrize("text", ["Home » Products » Shoes", "» One more point", "« a », b » c", "Use `ls` and `cd`."])
def test_an_arrow_is_no_quotation_mark(text: str) -> None:
    assert find_spans(text)


@pytest.mark.parametrize(
    ("language", "text", "due"),
    [
        ("chr", "“ᎤᏬᎸᏗᏃ ᎨᏐ,” ᎠᏗᏍᎬ Bark.", ["Bark"]),
        ("chr", "ᎠᎩᏁᏍᏗ Ph.D. ᎠᎴ Dr. Weavel, ADA.", ["Ph.D.", "Dr. Weavel", "ADA"]),
        ("chr", "ᏲᏚᎵ, visit the Cherokee Players Facebook page.", ["visit the Cherokee Players Facebook page"]),
        ("zh", "我昨天买了一台iPhone 15 Pro和一件T恤。", ["iPhone 15 Pro"]),
        ("ja-JP", "「GitHub Actions」でCI/CDを設定します。", ["GitHub Actions", "CI", "CD"]),
        ("ko", "맥북에서 Visual Studio Code를 설치해요", ["Visual Studio Code"]),
        ("ru", "Купил USB-кабель и MacBook Air за 5 руб. в DNS", ["USB", "MacBook Air", "DNS"]),
        ("ru", "В XIX веке Людовик XIV и II мировая война, CD и DVD", ["CD", "DVD"]),
        ("el", "Με AT&T, O'Brien και J. K. Rowling", ["AT&T", "O'Brien", "J. K. Rowling"]),
        ("sr", "Реч Facebook је овде", ["Facebook"]),
        ("sr", "Reč «там» je ovde", []),
        ("xyz", "Реч Facebook је овде", ["Facebook"]),
        ("zh-Latn", "Shuō 你好 ma", []),
        ("en", "How do you say こんにちは in English?", []),
        ("chr", "osiyo", []),
        ("zh", "他得了A。", []),
    ],
)
def test_words_in_latin_letters_are_found_in_text_of_another_script(language: str, text: str, due: list[str]) -> None:
    assert [text[span.begin : span.end] for span in find_latin(text, language)] == due


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("我昨天买了一台iPhone 15 Pro。", ["iPhone 15 Pro"]),
        ("Купил MacBook Air за 5 руб.", ["MacBook Air", "5"]),
        ("Смотри https://x.org/a и www.x.de, пиши a@x.org", ["https://x.org/a", "www.x.de", "a@x.org"]),
        ("请把%s保存为{name}.txt", ["%s", "{name}", "txt"]),
        ("<b>Firefox</b>を開く", ["<b>", "Firefox", "</b>"]),
    ],
)
def test_a_name_holds_its_figures_and_an_address_is_whole(text: str, due: list[str]) -> None:
    spans = with_latin(find_spans(text), find_latin(text, "zh"))
    assert [text[span.begin : span.end] for span in spans] == due


@given(st.text(st.sampled_from("ab Z1.,&-'’é漢ᏣА\u00a0()")) | st.text())
def test_latin_words_are_in_order_and_apart(text: str) -> None:
    spans = find_latin(text, "zh")
    assert all(one.end <= other.begin for one, other in pairwise(spans))
    assert all(text[span.begin].isalpha() for span in spans)


def test_latin_words_take_time_in_proportion_to_the_text() -> None:
    for part in ("A. ", "a-", "A & ", "x漢", "a.b", "Dr. "):
        assert find_latin("漢" + part * 30_000, "zh") is not None
