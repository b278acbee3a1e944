"""Word alignments from made-up attention."""

import numpy as np

from dragoman.model.codec import Frame
from dragoman.translation.markup.alignment import (
    Alignment,
    aligned_spans,
    first_words,
    format_alignment,
    matching_words,
    sentence_alignment,
    translate_alignment,
    word_alignment,
    word_indices,
    words_of,
)

SOURCE = ["<2de>", "▁the", "▁key", "▁of", "▁the", "▁house", "</s>"]
TARGET = ["▁Haus", "schlüssel", "▁", "!"]


def attention(*looked_at: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Every target piece looks mostly at one source piece, and a little at the end of sentence."""
    weights = np.full((len(looked_at), len(SOURCE)), 0.01, np.float32)
    weights[np.arange(len(looked_at)), looked_at] = 0.5
    return weights


FRAME = Frame(before=(4,), after=(3,))


def test_words_are_counted_by_the_spaces_before_them() -> None:
    assert word_indices(SOURCE[1:-1]) == [0, 1, 2, 3, 4]
    assert word_indices(TARGET) == [0, 0, 1, 1]
    assert word_indices(["no", "▁space", "s", "▁first"]) == [0, 1, 1, 2]
    assert word_indices([]) == []


def test_words_align_where_their_pieces_look() -> None:
    assert word_alignment(SOURCE, TARGET, attention(5, 2, 4, 4), FRAME) == ((1, 0), (3, 1), (4, 0))
    assert word_alignment(SOURCE, TARGET, attention(1, 1, 1, 1), FRAME) == ((0, 0), (0, 1))


def test_what_frames_the_source_is_no_word() -> None:
    weights = attention(5, 2, 1, 1)
    weights[0, 0] = weights[1, -1] = 0.9  # the language tag, the end of sentence
    assert word_alignment(SOURCE, TARGET, weights, FRAME) == ((0, 1), (1, 0), (4, 0))


def test_the_end_of_sentence_has_no_part_in_it() -> None:
    assert word_alignment(SOURCE, TARGET, attention(5, 2, 4, 4, 3), FRAME) == ((1, 0), (3, 1), (4, 0))


def test_nothing_to_align() -> None:
    assert word_alignment(SOURCE, [], attention(5), FRAME) == ()
    assert word_alignment(["<2de>", "</s>"], TARGET, np.full((4, 2), 0.5, np.float32), FRAME) == ()


def test_the_pharaoh_format() -> None:
    assert format_alignment(((0, 0), (1, 2))) == "0-0 1-2"
    assert format_alignment(()) == ""


def test_aligned_words_stand_at_spans_of_the_texts() -> None:
    assert aligned_spans("the  key of\nit", "Hausschlüssel !", ((1, 0), (3, 1))) == [
        ((5, 8), (0, 13)),
        ((12, 14), (14, 15)),
    ]
    assert aligned_spans("a", "b", ()) == []


def test_words_are_those_of_the_user_where_the_model_reads_and_writes_others() -> None:
    def align(source: str, target: str) -> Alignment:
        return sentence_alignment(source, target, SOURCE, TARGET, attention(5, 2, 4, 4), FRAME)

    assert align("the key of the house", "Hausschlüssel !") == ((1, 0), (3, 1), (4, 0))
    assert align("\u2060 the key of the house", "\u2060 Hausschlüssel !") == ((2, 1), (4, 2), (5, 1))
    assert align("the key of the house", "Hausschlüssel!") == ((1, 0), (3, 0), (4, 0))
    assert align("THE KEY OF THE HOUSE", "HAUSSCHLÜSSEL ?") == ((1, 0), (3, 1), (4, 0))
    assert align("a", "b") == ((0, 0),)


def test_the_words_of_pieces() -> None:
    assert words_of(TARGET) == ["Hausschlüssel", "!"]
    assert words_of(["no", "▁", "▁first"]) == ["no", "", "first"]
    assert words_of([]) == []


def test_words_that_were_replaced_are_matched() -> None:
    words, others = (
        ["Ask", "Boston", "about", "40", "dogs", "now"],
        ["Ask", "{the", "name}", "about", "1", "000", "dogs"],
    )
    assert [[others[place] for place in found] for found in matching_words(words, others)] == [
        ["Ask"],
        ["{the", "name}"],
        ["about"],
        ["1", "000"],
        ["dogs"],
        [],
    ]
    assert matching_words([], ["a"]) == []


def test_an_alignment_of_other_words() -> None:
    sources, targets = [range(1), range(1, 3)], [range(2, 3), range(2)]
    due = ((0, 2), (1, 0), (1, 1), (2, 0), (2, 1))
    assert translate_alignment(((0, 0), (1, 1), (5, 5)), sources, targets) == due


def test_the_first_word_of_a_part() -> None:
    assert first_words("😀 (The dog) sees", [3, 12]) == [1, 3]
