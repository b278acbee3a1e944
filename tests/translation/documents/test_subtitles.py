"""SubRip and WebVTT."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.errors import InvalidInputError
from dragoman.translation.documents.document import DocumentOptions
from dragoman.translation.documents.spliced import SplicedDocument
from dragoman.translation.documents.texts.rewrapping import divide, wrap
from dragoman.translation.documents.texts.subtitles import open_document
from dragoman.translation.documents.translating import render_identity, translate_segments
from dragoman.translation.markup.document import MarkupText, TranslatedText


def srt(*cues: str) -> str:
    return "\n".join(
        f"{number}\n00:00:{number:02},000 --> 00:00:{number:02},900\n{cue}\n"
        for number, cue in enumerate(cues, start=1)
    )


def open_text(text: str) -> SplicedDocument:
    return open_document(text.encode(), DocumentOptions())


def translate(text: str, words: dict[str, str] | None = None) -> str:
    def look_up(texts: Sequence[MarkupText]) -> list[TranslatedText]:
        return [TranslatedText((words or {}).get(text.text, text.text.upper())) for text in texts]

    document = open_text(text)
    assert render_identity(document).decode() == text
    return document.render(list(translate_segments(document.segments, look_up, "en"))).decode()


def test_times_and_marks_stay() -> None:
    assert translate(srt("<i>Good day.</i>", "{\\an8}Go\nhome.", "12", "A <b>big</b> cat.")) == srt(
        "<i>GOOD DAY.</i>", "{\\an8}GO HOME.", "12", "A <b>BIG</b> CAT."
    )
    vtt = (
        "WEBVTT - Title\n\nNOTE\nA note --\n\nSTYLE\n::cue { x }\n\nname\n00:01.000 --> 00:02.000 align:left\n"
        "<v Tom>Salt &amp; pepper.\n"
    )
    assert translate(vtt) == vtt.replace("Salt &amp; pepper.", "SALT &amp; PEPPER.")


def test_each_speaker_is_a_text() -> None:
    text = srt("- Where are you?\n- Here.")
    assert [segment.text for segment in open_text(text).segments] == ["Where are you?", "Here."]
    assert translate(text) == srt("- WHERE ARE YOU?\n- HERE.")


def test_a_sentence_over_cues_is_one_text_and_divided_again() -> None:
    text = srt("I never knew,", "when I was young,\nthat it would end.", "Now I do.", "<i>And we</i>", "<i>go on.</i>")
    texts = ["I never knew, when I was young, that it would end.", "Now I do.", "And we", "go on."]
    assert [segment.text for segment in open_text(text).segments][:2] == texts[:2]
    assert translate(text, {texts[0]: "Ich wusste nie, als ich jung war, dass es enden wird."}).startswith(
        srt("Ich wusste nie,", "als ich jung war,\ndass es enden wird.")
    )
    apart = text.replace("00:00:02", "00:00:12")
    assert open_text(apart).segments[0].text == "I never knew,"


def test_long_lines_are_wrapped() -> None:
    long = "This is a line that has become a good deal longer than it was."
    (first, second) = wrap(long, 1, 42)
    assert f"{first} {second}" == long
    assert abs(len(first) - len(second)) < 8
    assert wrap("Short one.", 2, 42) == ["Short one."]
    assert wrap("<i>" + "x" * 50 + "</i>", 1, 42) == ["<i>" + "x" * 50 + "</i>"]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a", "word", "longer,", "<i>x</i>"]), max_size=12),
    st.lists(st.integers(1, 30), min_size=1, max_size=5),
)
def test_parts_hold_all_words(words: list[str], lengths: list[int]) -> None:
    parts = divide(" ".join(words), lengths)
    assert len(parts) == len(lengths)
    assert " ".join(parts).split() == words
    assert all(parts) or len(words) < len(lengths)
    assert " ".join(wrap(" ".join(words), len(lengths), 20)).split() == words


def test_other_encodings() -> None:
    content = srt("Caf\xe9 day").encode("cp1252")
    document = open_document(content, DocumentOptions())
    assert document.render([("\xfcber",)]) == srt("\xfcber").encode("cp1252")
    with pytest.raises(InvalidInputError, match="its encoding cp1252 has no"):
        document.render([("ł",)])
    wide = srt("Good day.").encode("utf-16")
    assert open_document(wide, DocumentOptions()).render([("Tag",)]) == srt("Tag").encode("utf-16")


def test_what_is_no_subtitles_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="line 2, column 1: has a wrong time"):
        open_text("1\n00:00 --> later\nText\n")
    with pytest.raises(InvalidInputError, match="line 1, column 1: has no line such as"):
        open_text("Only text\n")
    with pytest.raises(InvalidInputError, match="line 3: is not UTF-8, as WebVTT must be"):
        open_document(b"WEBVTT\n\n\xff", DocumentOptions())
