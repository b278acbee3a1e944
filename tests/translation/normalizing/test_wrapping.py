"""Wrapped paragraphs are joined and wrapped again; all other lines stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.translation.normalizing.wrapping import Block, Wrapping, unwrap, word_places

MAIL = """Hello Anna,

thank you very much for your message from last week. I am sorry that I
could not answer earlier, but we had a lot of work in the office and my
colleague was ill.

> Could you please send me the report that we talked about on Monday, so
> that I can show it to the director before he leaves?

 - The first item is rather long and continues on the next line, which is
   indented as usual in such lists.
 - short item

Best regards
Tom
--\x20
Tom\x20Smith, Main Street 5, some address that is very long indeed and so on
and so forth here
"""


def joined(text: str) -> Wrapping:
    wrapping = unwrap(text)
    assert wrapping is not None
    return wrapping


def test_an_e_mail_is_joined_and_wrapped_again() -> None:
    wrapping = joined(MAIL)
    lines = wrapping.text.split("\n")
    assert lines[:3] == [
        "Hello Anna,",
        "",
        "thank you very much for your message from last week. I am sorry that I could not answer earlier, but we had a "
        "lot of work in the office and my colleague was ill.",
    ]
    assert lines[4].startswith("Could you")
    assert lines[4].endswith("he leaves?")
    assert lines[6].startswith("The first item")
    assert lines[7] == " - short item"
    assert wrapping.text.endswith("Tom\n-- \n" + MAIL.split("-- \n")[1])
    assert wrapping.wrap(wrapping.text) == MAIL


def test_a_longer_translation_keeps_width_and_prefix() -> None:
    text = "> Could you please send me the report that we talked about on Monday, so\n> that I can show it to him?"
    wrapping = joined(text)
    lines = wrapping.wrap(" ".join(30 * ["Wörter"])).split("\n")
    assert len(lines) == 3
    assert all(line.startswith("> ") and len(line) <= 72 for line in lines)


def test_a_narrow_column_is_joined() -> None:
    text = "The chest is painted with stars and\ncosmic symbols in a green luminous\nchemical that has not faded."
    assert "\n" not in joined(text).text


def test_line_ends_stay_as_they_were() -> None:
    text = MAIL.replace("\n", "\r\n")
    assert "\r" not in joined(text).text
    assert joined(text).wrap(joined(text).text) == text


def test_flowed_text_keeps_its_trailing_spaces() -> None:
    text = "This is the first line of a paragraph that was sent as flowed text \nand goes on here."
    assert joined(text).blocks == (Block("", "", 67, " "),)
    assert joined(text).wrap(joined(text).text) == text


@pytest.mark.parametrize(
    "text",
    [
        "One line.",
        "Branch Code\nBank Code\nStatus\nLine of Business",
        "apples\noranges\nbananas",
        "Roses are red,\nViolets are blue,\nSugar is sweet,\nAnd so are you.",
        "int main(void) {\n    return foo(first_argument, second_argument, third_argument);\n}",
        "```\nThis is the output of a program that was pasted into a text, a long line\nand another line\n```",
        "name      size      date of the last change of the file here\nfoo.txt   3 KB      yesterday afternoon",
        "First complete sentence that stands on a line of its own, long enough to wrap.\nSecond sentence on its line.",
        "- eggs and milk and butter from the shop at the corner\n- and some bread\n- and a bottle of water",
        "\n\n",
    ],
)
def test_other_lines_stay(text: str) -> None:
    assert unwrap(text) is None


def test_hyphenation_at_line_ends() -> None:
    known = {"example", "well", "known", "Vor", "und"}
    text = "This is a rather long text that is broken at its right margin, an exam-\nple of a well-\nknown fault."

    def count_pieces(word: str) -> int:
        return 1 if word in known else len(word)

    pair = "This is a rather long text that is broken at its right margin, an exam-\nple of a fault."
    wrapping = unwrap(pair, count_pieces)
    assert wrapping is not None
    assert "an example of" in wrapping.text
    wrapping = unwrap(text.replace("exam-\nple", "example").replace("of a well-", "well-"), count_pieces)
    assert wrapping is not None
    assert "well-known" in wrapping.text
    german = "Wir haben uns lange und ausführlich unterhalten, nämlich über die Vor-\nund Nachteile der Sache."
    wrapping = unwrap(german, count_pieces)
    assert wrapping is not None
    assert "Vor- und Nachteile" in wrapping.text


@given(st.text(st.sampled_from("abC .,-\n\r>*1| \t")) | st.lists(st.sampled_from(MAIL.split("\n"))).map("\n".join))
def test_no_line_is_lost(text: str) -> None:
    wrapping = unwrap(text)
    if wrapping is not None:
        assert len(wrapping.blocks) == wrapping.text.count("\n") + 1
        shown = wrapping.wrap(wrapping.text)
        assert list(filter(str.isalnum, shown)) == list(filter(str.isalnum, text))


def test_words_of_a_joined_text_are_found_in_the_wrapped_one() -> None:
    assert word_places("one two example four", "> one two exam-\n> ple four") == [1, 2, 3, 6]
    assert word_places("a b", "a\nb") == [0, 1]


MANUAL = """\
       -f     This  flag  activates  the  interface, which is  set implic\u2010
              itly if an address is assigned to one of the interfaces of
              the machine.
"""


def test_a_page_of_a_manual_is_joined_below_its_options() -> None:
    wrapping = unwrap(MANUAL, lambda word: 1 if word in ("implicitly", "itly") else 2)
    assert wrapping is not None
    assert "itly if an address is assigned to one of the interfaces of the machine." in wrapping.text


def test_code_below_a_deep_indentation_stays() -> None:
    code = (
        "Run this:\n\n            value = compute(first, second, third, fourth)\n            return value_of(first)\n"
    )
    assert unwrap(code) is None


def test_a_word_that_a_manual_hyphenates_is_one() -> None:
    text = "This paragraph is about a command that was hyphenated by the pro\u2010\ngram that formats its pages."
    wrapping = unwrap(text, lambda word: 1 if word == "program" else 2)
    assert wrapping is not None
    assert " program " in wrapping.text
