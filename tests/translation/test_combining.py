"""The sentences' hypotheses become the text's."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.request import TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.combining import combine
from dragoman.translation.drafts import PreparedText
from dragoman.translation.normalizing.wrapping import Block, Wrapping
from dragoman.translation.preparing import Preparer
from dragoman.translation.results import Hypothesis


def prepare(vocabulary: Vocabulary, text: str, options: SearchOptions | None = None) -> PreparedText:
    preparer = Preparer(vocabulary, max_source_length=64, max_target_length=64)
    return preparer.prepare(text, Direction("en", "de"), options or SearchOptions(), split=True)


def found(vocabulary: Vocabulary, *texts_and_scores: tuple[str, float]) -> list[TokenHypothesis]:
    return [TokenHypothesis(tuple(vocabulary.target.encode(text)), score) for text, score in texts_and_scores]


def said(hypotheses: Sequence[Hypothesis]) -> list[tuple[str, float]]:
    return [(hypothesis.text, hypothesis.score) for hypothesis in hypotheses]


def test_a_blank_text_stands_for_itself(tiny_vocabulary: Vocabulary) -> None:
    assert said(combine(prepare(tiny_vocabulary, " \n"), [], tiny_vocabulary).hypotheses) == [(" \n", 0.0)]


def test_a_sentence_s_hypotheses_are_the_text_s(tiny_vocabulary: Vocabulary) -> None:
    hypotheses = found(tiny_vocabulary, ("Der Hund.", -0.1), ("Hund.", -0.5))
    plain = combine(prepare(tiny_vocabulary, "The dog."), [hypotheses], tiny_vocabulary)
    assert said(plain.hypotheses) == [("Der Hund.", -0.1), ("Hund.", -0.5)]
    spaced = combine(prepare(tiny_vocabulary, " The dog.\n"), [hypotheses], tiny_vocabulary)
    assert said(spaced.hypotheses) == [(" Der Hund.\n", -0.1), (" Hund.\n", -0.5)]
    assert spaced.source_pieces == plain.source_pieces
    assert "".join(plain.source_pieces) == "<2de>▁The▁dog.</s>"


def test_the_rank_of_each_sentence_makes_the_rank_of_the_text(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, "The dog. The house.")
    one, two = (len(segment.source_ids) for segment in prepared.segments)
    dogs = found(tiny_vocabulary, ("Hund.", -1.0), ("Hunde.", -2.0), ("Der Hund.", -3.0))
    houses = found(tiny_vocabulary, ("Haus.", -0.5), ("Ein Haus.", -4.0))
    first, second, third = combine(prepared, [dogs, houses], tiny_vocabulary).hypotheses
    assert (first.text, second.text) == ("Hund. Haus.", "Hunde. Ein Haus.")
    assert third.text == "Der Hund. Ein Haus."  # the second sentence has no third
    assert first.score == pytest.approx((-1.0 * one - 0.5 * two) / (one + two))
    assert second.score == pytest.approx((-2.0 * one - 4.0 * two) / (one + two))
    assert third.score == pytest.approx((-3.0 * one - 4.0 * two) / (one + two))


def parts(source: str, hypothesis: Hypothesis) -> list[tuple[str, str]]:
    return [(source[begin:end], hypothesis.text[first:last]) for (begin, end), (first, last) in hypothesis.sentences]


def test_a_hypothesis_says_which_part_became_which(tiny_vocabulary: Vocabulary) -> None:
    dogs, houses = found(tiny_vocabulary, ("Hund.", -1.0), ("Hunde.", -2.0)), found(tiny_vocabulary, ("Haus.", -1.0))
    source = " The dog.  The house.\n"
    both = combine(prepare(tiny_vocabulary, source), [dogs, houses], tiny_vocabulary).hypotheses
    assert [parts(source, one) for one in both] == [
        [("The dog.", "Hund."), ("The house.", "Haus.")],
        [("The dog.", "Hunde."), ("The house.", "Haus.")],
    ]
    (alone, _) = combine(prepare(tiny_vocabulary, "The dog."), [dogs], tiny_vocabulary).hypotheses
    assert parts("The dog.", alone) == [("The dog.", "Hund.")]
    assert combine(prepare(tiny_vocabulary, " "), [], tiny_vocabulary).hypotheses[0].sentences == ()


def test_hypotheses_that_read_as_nothing_are_left_out(tiny_vocabulary: Vocabulary) -> None:
    blank = TokenHypothesis((), -0.1)
    (hund,) = found(tiny_vocabulary, ("Hund", -0.5))
    prepared = prepare(tiny_vocabulary, "The dog")
    assert said(combine(prepared, [[blank, hund]], tiny_vocabulary).hypotheses) == [("Hund", -0.5)]
    assert said(combine(prepared, [[blank]], tiny_vocabulary).hypotheses) == [("The dog", 0.0)]
    both = combine(prepare(tiny_vocabulary, "The dog! The house!"), [[blank], [hund]], tiny_vocabulary)
    assert [hypothesis.text for hypothesis in both.hypotheses] == ["The dog! Hund"]


def with_details(vocabulary: Vocabulary, text: str, source_length: int, *, is_cut_off: bool = False) -> TokenHypothesis:
    ids = tuple(vocabulary.target.encode(text))
    num_rows = len(ids) + (not is_cut_off)
    attention = np.arange(num_rows * source_length, dtype=np.float32).reshape(num_rows, source_length) + 1
    return TokenHypothesis(ids, -1.0, tuple(-0.5 - row for row in range(num_rows)), attention)


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_details_stand_one_behind_the_other(tiny_vocabulary: Vocabulary, is_cut_off: bool) -> None:
    prepared = prepare(tiny_vocabulary, "The dog. The house.", SearchOptions(return_attention=True))
    lengths = [len(segment.source_ids) for segment in prepared.segments]
    one = with_details(tiny_vocabulary, "Der Hund.", lengths[0], is_cut_off=is_cut_off)
    two = with_details(tiny_vocabulary, "Das Haus.", lengths[1], is_cut_off=is_cut_off)
    translation = combine(prepared, [[one], [two]], tiny_vocabulary)
    (hypothesis,) = translation.hypotheses
    assert hypothesis.pieces == tiny_vocabulary.target.pieces((*one.token_ids, *two.token_ids))
    assert hypothesis.token_log_probs == one.token_log_probs[: len(one.token_ids)] + two.token_log_probs
    assert len(translation.source_pieces) == sum(lengths)
    attention = hypothesis.attention
    assert attention is not None
    assert attention.shape == (len(hypothesis.token_log_probs), sum(lengths))
    border = len(one.token_ids)
    assert one.attention is not None
    assert two.attention is not None
    assert np.array_equal(attention[:border, : lengths[0]], one.attention[:border])
    assert np.array_equal(attention[border:, lengths[0] :], two.attention)
    assert not attention[:border, lengths[0] :].any()
    assert not attention[border:, : lengths[0]].any()


def test_words_are_aligned_within_their_sentences(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, "The dog. The house.", SearchOptions(return_attention=True))
    hypotheses = [
        [with_details(tiny_vocabulary, text, len(segment.source_ids))]
        for text, segment in zip(["Der Hund.", "Haus."], prepared.segments, strict=True)
    ]
    (hypothesis,) = combine(prepared, hypotheses, tiny_vocabulary).hypotheses
    # Each piece looks most at the last piece of its source: "dog." and "house.", words 1 and 3.
    assert hypothesis.alignment == ((1, 0), (1, 1), (3, 2))


def test_a_sentence_that_stands_for_itself_looks_at_nothing(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, "The dog. The house.", SearchOptions(return_attention=True))
    lengths = [len(segment.source_ids) for segment in prepared.segments]
    two = with_details(tiny_vocabulary, "Haus.", lengths[1])
    (hypothesis,) = combine(prepared, [[], [two]], tiny_vocabulary).hypotheses
    assert hypothesis.text == "The dog. Haus."
    assert hypothesis.attention is not None
    assert hypothesis.attention.shape == (len(two.token_log_probs), sum(lengths))
    assert hypothesis.alignment == ((3, 2),)


def test_there_is_no_attention_that_was_not_asked_for(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, "The dog. The house.")
    hypotheses = [found(tiny_vocabulary, ("Hund.", -1.0)), found(tiny_vocabulary, ("Haus.", -1.0))]
    (hypothesis,) = combine(prepared, hypotheses, tiny_vocabulary).hypotheses
    assert hypothesis.attention is None
    assert hypothesis.alignment == ()


def test_a_text_ends_as_its_sentences_do(tiny_vocabulary: Vocabulary) -> None:
    ended, cut_off = (with_details(tiny_vocabulary, "Hund.", 3, is_cut_off=is_cut_off) for is_cut_off in (False, True))

    def reason(text: str, *sentences: TokenHypothesis) -> str:
        (found,) = combine(prepare(tiny_vocabulary, text), [[one] for one in sentences], tiny_vocabulary).hypotheses
        return found.finish_reason

    assert reason("The dog.", ended) == "end_of_sentence"
    assert reason(" The dog.", cut_off) == "length"
    assert reason("The dog. The house.", cut_off, ended) == "length"
    assert reason("The dog. The house.", ended, ended) == "end_of_sentence"
    assert reason(" ") == ""
    assert reason("The dog.", TokenHypothesis((), -0.1)) == ""  # stands for itself


def finished(vocabulary: Vocabulary, text: str, *, probability_log: float = -0.1) -> TokenHypothesis:
    ids = tuple(vocabulary.target.encode(text))
    return TokenHypothesis(ids, -0.1, (probability_log,) * (len(ids) + 1))


def test_warnings_and_quality_of_each_sentence_become_the_text_s(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, " The dog!\nThe 3 trees! ")
    dog, trees = finished(tiny_vocabulary, "Hund!"), finished(tiny_vocabulary, "Die 4 Bäume!", probability_log=-0.5)
    translation = combine(prepared, [[dog], [trees]], tiny_vocabulary)
    assert translation.text == " Hund!\nDie 4 Bäume! "
    (warning,) = translation.warnings
    assert warning.kind == "figure_differs"
    assert translation.source[slice(*warning.source)] == "3"
    assert translation.text[slice(*warning.target)] == "Die 4 Bäume!"
    alone = [
        combine(prepare(tiny_vocabulary, text), [[one]], tiny_vocabulary)
        for text, one in (("The dog!", dog), ("The 3 trees!", trees))
    ]
    lengths = [len(segment.source_ids) for segment in prepared.segments]
    expected = [one.quality or 0.0 for one in alone]
    assert translation.quality == pytest.approx(np.average(expected, weights=lengths))
    assert alone[0].warnings == ()
    assert 0 < expected[1] < expected[0] < 1


def test_the_place_of_a_warning_counts_a_space_that_the_source_lacks(tiny_vocabulary: Vocabulary) -> None:
    prepared = replace(prepare(tiny_vocabulary, "The dog!\nThe 3 trees!"), gaps=("", "", ""))
    found = [[finished(tiny_vocabulary, "Hund!")], [finished(tiny_vocabulary, "Die 4 Bäume!")]]
    translation = combine(prepared, found, tiny_vocabulary)
    assert translation.text == "Hund! Die 4 Bäume!"
    assert translation.warnings[0].target == (6, 18)


def test_what_has_no_translation_is_called_untranslated(tiny_vocabulary: Vocabulary) -> None:
    lost = combine(prepare(tiny_vocabulary, "The dog"), [[TokenHypothesis((), -0.1)]], tiny_vocabulary)
    assert [(warning.kind, warning.source) for warning in lost.warnings] == [("untranslated", (0, 7))]
    assert lost.quality == 0
    for text in ("", " \n"):
        blank = combine(prepare(tiny_vocabulary, text), [], tiny_vocabulary)
        assert (blank.warnings, blank.quality) == ((), None)


def test_of_several_searches_the_soundest_hypotheses_come_first(tiny_vocabulary: Vocabulary) -> None:
    options = SearchOptions(n_best=2)
    prepared = prepare(tiny_vocabulary, "The 3 trees!", options)
    texts = ["Die 4 Bäume!", "Baum Baum Baum Baum Baum!", "Die 3 Bäume!", "Die 4 Bäume!"]
    loops = [finished(tiny_vocabulary, text) for text in texts]
    again = replace(prepared, drafts=(replace(prepared.drafts[0], search=1, earlier=tuple(loops[:2])),))
    translation = combine(again, [loops[2:]], tiny_vocabulary)
    assert [hypothesis.text for hypothesis in translation.hypotheses] == ["Die 3 Bäume!", "Die 4 Bäume!"]
    assert [len(hypothesis.warnings) for hypothesis in translation.hypotheses] == [0, 1]
    only_loops = combine(again, [loops[1:2]], tiny_vocabulary)
    assert [hypothesis.text for hypothesis in only_loops.hypotheses] == ["Die 4 Bäume!"]
    none = replace(again, drafts=(replace(prepared.drafts[0], search=2),))
    assert combine(none, [loops[1:2]], tiny_vocabulary).text == "The 3 trees!"


def test_warnings_find_their_parts_in_a_wrapped_text(tiny_vocabulary: Vocabulary) -> None:
    text = "The dog sees the house of the cat!\nThe 3 trees that I see are not large\nat all!"
    wrapping = Wrapping(text.replace("\n", " "), (Block("", "", 30),), "\n")
    flowing = prepare(tiny_vocabulary, wrapping.text)
    found = [finished(tiny_vocabulary, one) for one in ("Der Hund sieht das Haus der Katze!", "Die 4 Bäume hier!")]
    translation = combine(replace(flowing, text=text, wrapping=wrapping), [[one] for one in found], tiny_vocabulary)
    assert translation.text == "Der Hund sieht das Haus der\nKatze! Die 4 Bäume hier!"
    warning = translation.warnings[0]
    assert (warning.kind, text[slice(*warning.source)]) == ("figure_differs", "3")
    assert translation.text[slice(*warning.target)] == "Die 4 Bäume hier!"
    assert parts(text, translation.hypotheses[0]) == [
        ("The dog sees the house of the cat!", "Der Hund sieht das Haus der\nKatze!"),
        ("The 3 trees that I see are not large\nat all!", "Die 4 Bäume hier!"),
    ]
