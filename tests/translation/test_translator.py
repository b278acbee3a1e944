"""Text to text with a tiny network of random weights: its words mean nothing, but the rules hold for any."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dragoman.model.config import Direction
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError, NoTranslationError
from dragoman.translation import offline
from dragoman.translation.translator import Translator
from tests.model.decoding.engines.engines import decoder_of, finished_by_step
from tests.pieces import EOS_ID, encode_source

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")
QUICK = SearchOptions(beam_size=2, max_target_length=6)


@pytest.fixture(scope="module")
def translator(tiny_bundle: Path) -> Translator:
    return Translator.load(tiny_bundle, max_slots=8)


@pytest.fixture(scope="module")
def english(tiny_sentences: list[str]) -> list[str]:
    """English sentences: German ones would come back as they are."""
    return 2 * tiny_sentences[::2]


def assert_all_free(translator: Translator) -> None:
    engine = translator.engine
    assert engine.num_active == 0
    for _ in range(engine.max_slots):  # a step may have been running when its sentences were given up
        engine.step()
    assert engine.free_slots == engine.max_slots == 8


def has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def texts_of(translator: Translator, texts: list[str], options: SearchOptions = QUICK) -> list[str]:
    return [translation.text for translation in translator.stream(texts, EN_DE, options)]


# What it is


def test_tells_what_it_is(translator: Translator) -> None:
    assert translator.name == "tiny"
    assert translator.directions == (EN_DE, DE_EN)
    assert translator.max_source_length == 62
    assert translator.engine.max_slots == 8


def test_loads_by_path_and_by_text(tiny_bundle: Path) -> None:
    assert Translator.load(str(tiny_bundle)).name == "tiny"
    with pytest.raises(NotFoundError, match="nothing/here"):
        Translator.load("nothing/here")


# Order, batch-mates, options


def test_keeps_the_order(translator: Translator, english: list[str]) -> None:
    texts = [*english, "The dog.", " ", *english[:9]]
    translations = list(translator.stream(texts, EN_DE, QUICK))
    assert [translation.source for translation in translations] == texts
    assert translator.engine.num_active == 0
    # The sentences differ enough for a mix-up to show.
    assert len({translation.text for translation in translations}) > 5


def test_batch_mates_do_not_change_a_translation(translator: Translator, english: list[str]) -> None:
    alone = {text: texts_of(translator, [text], SearchOptions())[0] for text in english[:10]}
    together = texts_of(translator, english, SearchOptions())
    assert together[:10] == list(alone.values())
    backwards = texts_of(translator, [*english[:10][::-1], "The"], SearchOptions())
    assert backwards[:10][::-1] == list(alone.values())


def test_directions_differ_by_their_tag(translator: Translator) -> None:
    into_german = translator.prepare("The dog", EN_DE, QUICK, protect=False)
    into_english = translator.prepare("The dog", DE_EN, QUICK, protect=False)
    german, english = into_german.segments[0].source_ids, into_english.segments[0].source_ids
    assert german[1:] == english[1:]
    assert german[:1] == translator.vocabulary.frame(EN_DE).before
    assert english[:1] == translator.vocabulary.frame(DE_EN).before
    assert german[-1] == EOS_ID


@pytest.mark.parametrize("n_best", [1, 3, 5])
def test_n_best_come_best_first(n_best: int, translator: Translator, english: list[str]) -> None:
    options = SearchOptions(beam_size=5, n_best=n_best, max_target_length=8)
    for translation in translator.stream(english[:6], EN_DE, options):
        scores = [hypothesis.score for hypothesis in translation.hypotheses]
        assert len(scores) == n_best
        assert scores == sorted(scores, reverse=True)
        assert all(score < 0 and math.isfinite(score) for score in scores)
        assert (translation.text, translation.score) == (translation.hypotheses[0].text, scores[0])


def test_translate_finds_the_direction(translator: Translator) -> None:
    texts = ["The dog sees the tree.", "The child"]
    by_target = translator.translate(texts, to="de", beam_size=2, max_target_length=6)
    assert [translation.text for translation in by_target] == texts_of(translator, texts)
    assert translator.translate(texts, to="de", source_language="en", beam_size=2, max_target_length=6) == by_target
    assert translator.translate([], to="de") == []
    for source_language, to in [(None, "fr"), ("fr", "de"), ("de", "de")]:
        with pytest.raises(NotFoundError, match="it knows en→de, de→en"):
            translator.translate(texts, to=to, source_language=source_language)


def test_a_language_reached_from_several_needs_its_source(translator: Translator) -> None:
    info = replace(translator.info, directions=(EN_DE, Direction("fr", "de")))
    several = Translator(info, translator.vocabulary, translator.engine)
    with pytest.raises(InvalidInputError, match="from several languages: en→de, fr→de"):
        several.translate(["The dog"], to="de")
    assert len(several.translate(["The dog"], to="de", source_language="fr", beam_size=2, max_target_length=6)) == 1


# Limits


def prepare_one(translator: Translator, text: str, options: SearchOptions = QUICK) -> Request:
    (segment,) = translator.prepare(text, EN_DE, options, protect=False).segments
    return segment


def test_the_longest_target_is_twice_the_source_and_ten_more_within_the_limit(translator: Translator) -> None:
    short = prepare_one(translator, "The dog", SearchOptions())
    assert short.max_target_length == 2 * len(short.source_ids) + 10
    long = prepare_one(translator, "The dog " * 14, SearchOptions())
    assert long.max_target_length == 64
    for wanted, due in [(1, 1), (5, 5), (64, 64), (1000, 64)]:
        options = SearchOptions(max_target_length=wanted)
        assert prepare_one(translator, "The dog", options).max_target_length == due


def test_a_longer_least_length_or_prefix_leaves_room_behind_it(translator: Translator) -> None:
    assert prepare_one(translator, "The dog", SearchOptions(min_target_length=40)).max_target_length == 50
    segment = prepare_one(translator, "The dog", SearchOptions(target_prefix="Hund " * 30))
    assert segment.max_target_length == len(segment.prefix_ids) + 10


def text_of_length(translator: Translator, num_pieces: int) -> str:
    """A text of so many pieces: an unseen letter is a byte, after the piece that begins a word."""
    text = "Q" * (num_pieces - 1)
    assert len(translator.vocabulary.source.encode(text)) == num_pieces
    return text


def test_the_longest_source_fits_and_a_longer_one_is_refused_unless_it_is_split(translator: Translator) -> None:
    assert len(prepare_one(translator, text_of_length(translator, 62)).source_ids) == 64
    assert texts_of(translator, [text_of_length(translator, 62)])[0].strip()
    longer = text_of_length(translator, 63)
    with pytest.raises(InvalidInputError, match="the text has 63 pieces, but the model takes 62 at most: split it"):
        translator.prepare(longer, EN_DE, QUICK, split_sentences=False)
    assert len(translator.prepare(longer, EN_DE, QUICK, protect=False).segments) == 2


def test_all_before_a_text_that_is_too_long_come_first(translator: Translator, english: list[str]) -> None:
    texts = [*english[:11], text_of_length(translator, 63), "The dog"]
    stream = translator.stream(texts, EN_DE, QUICK, split_sentences=False)
    assert [next(stream).source for _ in range(11)] == english[:11]
    with pytest.raises(InvalidInputError, match="63 pieces"):
        next(stream)
    assert translator.engine.num_active == 0


def test_all_before_a_failure_of_the_input_come_first(translator: Translator, english: list[str]) -> None:
    def read() -> Iterator[str]:
        yield from english[:11]
        raise OSError("the disk is gone")

    stream = translator.stream(read(), EN_DE, QUICK)
    assert [next(stream).source for _ in range(11)] == english[:11]
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)
    assert translator.engine.num_active == 0


# The stream


@pytest.mark.parametrize("lookahead", [1, 3, 8, 20])
def test_reads_no_further_ahead_than_allowed(
    lookahead: int, translator: Translator, english: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "LOOKAHEAD", lookahead)
    num_read, most_ahead = 0, 0

    def read() -> Iterator[str]:
        nonlocal num_read
        for text in english[:30]:
            num_read += 1
            yield text

    for num_yielded, translation in enumerate(translator.stream(read(), EN_DE, QUICK)):
        assert translation.source == english[num_yielded]
        most_ahead = max(most_ahead, num_read - num_yielded)
        assert num_read <= num_yielded + lookahead
    assert num_read == 30
    assert most_ahead == lookahead


def test_reads_nothing_before_it_is_asked(translator: Translator) -> None:
    def read() -> Iterator[str]:
        raise AssertionError("read too early")
        yield

    translator.stream(read(), EN_DE, QUICK)


def test_closing_early_frees_all_slots(tiny_bundle: Path, english: list[str]) -> None:
    translator = Translator.load(tiny_bundle, max_slots=8, num_threads=1)  # always the same in flight
    stream = translator.stream(["", *english], EN_DE, SearchOptions())
    assert next(stream).source == ""
    assert next(stream).source == english[0]
    assert translator.engine.num_active > 0
    with pytest.raises(DragomanError, match="busy with another stream"):
        next(translator.stream(["The dog"], EN_DE, QUICK))
    assert isinstance(stream, Iterator)
    stream.close()
    assert_all_free(translator)
    assert len(texts_of(translator, ["The dog"])) == 1


def test_an_error_in_the_engine_frees_all_slots(
    translator: Translator, english: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        for name in ("advance", "search_step"):
            patch.setattr(type(decoder_of(translator.engine)), name, fail, raising=False)
        with pytest.raises(RuntimeError, match="out of memory"):
            texts_of(translator, english)
    assert_all_free(translator)
    assert len(texts_of(translator, ["The dog"])) == 1


# Texts of several sentences


def test_sentences_are_translated_one_by_one_and_keep_their_spacing(translator: Translator, english: list[str]) -> None:
    one, two, three = english[0], english[2], english[8]
    alone = texts_of(translator, [one, two, three])
    text = f"  {one} {two}\n\n\t{three}  \r\n"
    (translation,) = translator.translate(text, to="de", beam_size=2, max_target_length=6)
    assert translation.source == text
    assert translation.text == f"  {alone[0]} {alone[1]}\n\n\t{alone[2]}  \r\n"


def test_a_text_that_is_not_split_is_one_sentence(translator: Translator, english: list[str]) -> None:
    text = f" {english[0]} {english[2]}\n"
    prepared = translator.prepare(text, EN_DE, QUICK, split_sentences=False)
    (segment,), (draft,) = prepared.segments, prepared.drafts
    assert (draft.source, prepared.gaps) == (text, ("", ""))
    assert list(segment.source_ids) == encode_source(translator.vocabulary, text, EN_DE)
    (translation,) = translator.translate(text, to="de", split_sentences=False, beam_size=2, max_target_length=6)
    assert translation.text == translation.text.strip()


def test_one_sentence_is_searched_alike_whether_split_or_not(translator: Translator, english: list[str]) -> None:
    options = SearchOptions(beam_size=3, n_best=3, return_attention=True)
    whole = list(translator.stream(english[:10], EN_DE, options, split_sentences=False))
    split = list(translator.stream(english[:10], EN_DE, options))
    assert split == whole
    assert [translation.source_pieces for translation in split] == [translation.source_pieces for translation in whole]


def test_a_text_far_longer_than_the_limit_is_translated(translator: Translator, english: list[str]) -> None:
    texts = ["The dog, ".join(["sees "] * 99), " ".join(english), "x" * 400, "日本" * 60]
    for text, translation in zip(texts, translator.stream(texts, EN_DE, QUICK, protect=False), strict=True):
        prepared = translator.prepare(text, EN_DE, QUICK, protect=False)
        assert len(prepared.segments) > 1
        assert all(len(segment.source_ids) <= 64 for segment in prepared.segments)
        assert len(translation.text) > len(prepared.segments)
    assert translator.engine.num_active == 0


def test_the_best_texts_are_made_of_the_best_sentences(translator: Translator, english: list[str]) -> None:
    options = SearchOptions(beam_size=3, n_best=3, max_target_length=8)
    first, second, both = translator.stream([*english[:2], " ".join(english[:2])], EN_DE, options)
    assert [hypothesis.text for hypothesis in both.hypotheses] == [
        f"{one.text} {two.text}" for one, two in zip(first.hypotheses, second.hypotheses, strict=True)
    ]
    scores = [hypothesis.score for hypothesis in both.hypotheses]
    assert scores == sorted(scores, reverse=True)


WRAPPED = "> The dog sees the house and then it goes to the house and sees the dog,\n> and that is all."


def test_wrapped_lines_are_translated_as_one_and_wrapped_again(translator: Translator) -> None:
    joined = WRAPPED.replace("\n> ", " ").removeprefix("> ")
    (alone,) = translator.translate(joined, to="de", beam_size=2, return_attention=True)
    (translation,) = translator.translate(WRAPPED, to="de", beam_size=2, return_attention=True)
    assert translation.source == WRAPPED
    lines = translation.text.split("\n")
    assert all(line.startswith("> ") and (len(line) <= 71 or " " not in line[2:]) for line in lines)
    assert " ".join(line[2:] for line in lines) == alone.text
    # The mark before each line is a word of the text as the user wrote it.
    words, wrapped = joined.split(), WRAPPED.split()
    for (source, target), (own_source, own_target) in zip(
        alone.hypotheses[0].alignment, translation.hypotheses[0].alignment, strict=True
    ):
        assert words[source] == wrapped[own_source]
        assert alone.text.split()[target] == translation.text.split()[own_target]


def test_a_bundle_says_which_sentences_are_long(translator: Translator) -> None:
    text = "The dog sees the house, and the woman likes the bridge, but the child looks for the tree."
    info = replace(translator.info, fluent_length=100)
    patient = Translator(info, translator.vocabulary, translator.engine)
    assert len(patient.prepare(text, EN_DE, QUICK).drafts) == 1
    info = replace(translator.info, fluent_length=6)
    hasty = Translator(info, translator.vocabulary, translator.engine)
    sources = [draft.source for draft in hasty.prepare(text, EN_DE, QUICK).drafts]
    assert sources == ["The dog sees the house", "and the woman likes the bridge", "but the child looks for the tree."]


def test_lines_are_sentences_if_asked(translator: Translator) -> None:
    prepared = translator.prepare(WRAPPED, EN_DE, QUICK, join_lines=False, protect=False)
    assert [draft.source for draft in prepared.drafts] == WRAPPED.split("\n")
    assert len(translator.prepare(WRAPPED, EN_DE, QUICK, protect=False).drafts) == 1


# Any text


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u3000", "\x07\x01", "\u200b", " \u200e\ufeff "])
def test_blank_text_translates_to_itself(text: str, translator: Translator) -> None:
    translation = translator.translate([text, "The dog"], to="de", beam_size=2, max_target_length=6)[0]
    assert [(hypothesis.text, hypothesis.score) for hypothesis in translation.hypotheses] == [(text, 0.0)]


@given(
    texts=st.lists(
        st.text(
            st.characters(codec=None) | st.sampled_from("aeinrst äß.<>2/de😀日本\u200b\u202e\0\n\ud800"), max_size=10
        ),
        min_size=1,
        max_size=5,
    )
)
@example(texts=["🧑‍🚀 Γειά", "你好 مرحبا", "\x1b[0m\x07", "\ud800", "\ud83d\ude00", "a\0b", "<2en>", "</s>", "ﷺ"])
@settings(deadline=None, max_examples=40)
def test_any_text_is_answered(translator: Translator, texts: list[str]) -> None:
    for text, translation in zip(texts, translator.stream(texts, EN_DE, QUICK), strict=True):
        assert translation.source == text
        for hypothesis in translation.hypotheses:
            assert hypothesis.text.strip() or (hypothesis.text, hypothesis.score) == (text, 0.0)
            if not has_surrogate(text):
                assert not has_surrogate(hypothesis.text)
    assert translator.engine.num_active == 0


def test_no_translation_holds_a_reserved_piece(translator: Translator, english: list[str]) -> None:
    forbidden = {*translator.vocabulary.forbidden_ids(), EOS_ID}
    options = SearchOptions(beam_size=8, n_best=8)
    ids = itertools.count()
    requests = [request for text in english[:8] for request in translator.prepare(text, EN_DE, options).requests(ids)]
    translator.engine.admit(requests)
    while translator.engine.num_active:
        for finished in finished_by_step(translator.engine):
            for hypothesis in finished.hypotheses:
                assert not forbidden & set(hypothesis.token_ids)
                assert hypothesis.token_ids


def test_a_second_stream_is_refused_while_one_is_open(translator: Translator) -> None:
    first = translator.stream(["The dog", "The child"], EN_DE, QUICK)
    assert next(first).source == "The dog"
    second = translator.stream(["The tree"], EN_DE, QUICK)
    with pytest.raises(DragomanError, match="busy with another stream"):
        next(second)
    assert next(first).source == "The child"
    first.close()
    assert texts_of(translator, ["The tree"])


# A network that gives no numbers


def test_a_text_without_probabilities_is_an_error_and_ends_no_corpus(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = Translator.load(tiny_bundle, max_slots=8)
    prepared = translator.prepare("The dog. The house.", EN_DE, QUICK)
    assert len(prepared.segments) == 2
    with pytest.raises(NoTranslationError, match="the model has no probabilities for this text"):
        translator.finish(prepared, [(TokenHypothesis((), -1.0),), ()])
    assert isinstance(translator.engine, Engine | Fleet)
    monkeypatch.setattr(Engine, "_hypotheses", lambda *_: ())
    assert texts_of(translator, ["The dog.", "The house."]) == ["The dog.", "The house."]


def test_alignment_counts_words_that_nobody_sees(translator: Translator) -> None:
    plain, unseen = translator.translate(
        ["The dog sees the house.", "The \u200b dog sees the house."],
        to="de",
        source_language="en",
        return_attention=True,
    )
    assert unseen.text == plain.text
    moved = [(source + (source > 0), target) for source, target in plain.hypotheses[0].alignment]
    assert list(unseen.hypotheses[0].alignment) == moved
