"""The sentences' hypotheses become the text's."""

from collections.abc import Sequence

import numpy as np
import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.request import TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.combining import combine
from dragoman.translation.preparing import PreparedText, Preparer
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
