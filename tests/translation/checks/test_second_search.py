"""Further searches for sentences without a sound translation."""

from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.checks.second_search import search_again
from dragoman.translation.combining import combine
from dragoman.translation.drafts import PreparedText, Round
from dragoman.translation.preparing import Preparer

EN_DE = Direction("en", "de")
LONG = "The dog saw the house, the tree and the cat, the sun and the water."
LOOP = "Der Hund, der Hund, der Hund, der Hund, der Hund"


def accept(request: Request) -> None:
    """As an engine with room for everything."""


def refuse(request: Request) -> None:
    raise InvalidInputError("the beam is too wide")


def preparer(vocabulary: Vocabulary) -> Preparer:
    return Preparer(vocabulary, max_source_length=64, max_target_length=64)


def prepare(vocabulary: Vocabulary, text: str, **options: Any) -> PreparedText:
    return preparer(vocabulary).prepare(text, EN_DE, SearchOptions(**options), split=True)


def say(vocabulary: Vocabulary, *texts: str) -> list[TokenHypothesis]:
    """Finished hypotheses."""
    ids = [tuple(vocabulary.target.encode(text)) for text in texts]
    return [TokenHypothesis(one, -0.5 - rank, (-0.5,) * (len(one) + 1)) for rank, one in enumerate(ids)]


def again(
    vocabulary: Vocabulary,
    prepared: PreparedText,
    found: list[list[TokenHypothesis]],
    *,
    keeps_unchanged: bool = False,
    check: Any = accept,
) -> Round | None:
    def prepare_whole(text: str, direction: Direction, options: SearchOptions) -> PreparedText:
        return preparer(vocabulary).prepare(text, direction, options, split=False)

    return search_again(
        prepared, found, vocabulary, keeps_unchanged=keeps_unchanged, check=check, prepare=prepare_whole
    )


def test_sound_translations_cost_no_search(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, "The dog. The 3 trees.")
    found = [say(tiny_vocabulary, "Der Hund."), say(tiny_vocabulary, "Die drei Bäume.")]
    assert again(tiny_vocabulary, prepared, found) is None


@pytest.mark.parametrize(
    ("text", "translation", "changed"),
    [
        ("The 3 trees.", "Die 4 Bäume.", {}),
        ("The dog saw.", LOOP, {"no_repeat_ngram_size": 3}),
        ("The dog saw.", "", {}),
    ],
)
def test_the_sentence_at_fault_is_searched_with_a_wider_beam(
    tiny_vocabulary: Vocabulary, text: str, translation: str, changed: dict[str, Any]
) -> None:
    prepared = prepare(tiny_vocabulary, f"The house. {text}", length_penalty=0.5)
    found = [say(tiny_vocabulary, "Das Haus."), say(tiny_vocabulary, translation)]
    more = again(tiny_vocabulary, prepared, found)
    assert more is not None
    assert more.missing == (1,)
    assert more.known[0] == found[0]
    assert more.prepared.gaps == prepared.gaps
    (first, second), (_, draft) = more.prepared.segments, more.prepared.drafts
    assert first == prepared.segments[0]
    assert second.source_ids == prepared.segments[1].source_ids
    assert second.options == SearchOptions(beam_size=8, n_best=8, length_penalty=0.5, **changed)
    assert (draft.search, draft.earlier) == (1, tuple(found[1]))


def test_a_translation_that_is_too_short_must_be_longer(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, LONG)
    more = again(tiny_vocabulary, prepared, [say(tiny_vocabulary, "Der Hund.")])
    assert more is not None
    (segment,) = more.prepared.segments
    assert segment.options.min_target_length == len(segment.source_ids) // 2


def test_options_that_explain_the_warning_and_samples_are_left_alone(tiny_vocabulary: Vocabulary) -> None:
    cut_off = [TokenHypothesis(one.token_ids, -1.0, one.token_log_probs[:-1]) for one in say(tiny_vocabulary, "Der")]
    assert again(tiny_vocabulary, prepare(tiny_vocabulary, LONG, max_target_length=1), [cut_off]) is None
    assert again(tiny_vocabulary, prepare(tiny_vocabulary, LONG), [cut_off]) is not None
    loop = [say(tiny_vocabulary, LOOP)]
    assert again(tiny_vocabulary, prepare(tiny_vocabulary, "The dog.", sampling_temperature=1.0), loop) is None
    assert again(tiny_vocabulary, prepare(tiny_vocabulary, "The dog.", max_retries=0), loop) is None
    assert again(tiny_vocabulary, prepare(tiny_vocabulary, "The dog."), [[]]) is None


def test_what_was_shown_stays(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, "The dog.")
    assert again(tiny_vocabulary, prepared, [say(tiny_vocabulary, LOOP)], keeps_unchanged=True) is None


def test_an_engine_without_room_for_the_beam_keeps_its_translation(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, "The 3 trees.")
    assert again(tiny_vocabulary, prepared, [say(tiny_vocabulary, "Die 4 Bäume.")], check=refuse) is None


def test_a_sound_hypothesis_of_the_second_search_ends_it(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, LONG)
    more = again(tiny_vocabulary, prepared, [say(tiny_vocabulary, LOOP)])
    assert more is not None
    sound = "Der Hund sah das Haus, den Baum und die Katze, die Sonne und das Wasser."
    found = [say(tiny_vocabulary, LOOP + "!", sound)]
    assert again(tiny_vocabulary, more.prepared, found) is None
    assert combine(more.prepared, found, tiny_vocabulary).text == sound


def test_parts_of_a_long_sentence_are_the_last_resort(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, f" {LONG}\n", target_prefix="Der")
    more = again(tiny_vocabulary, prepared, [say(tiny_vocabulary, LOOP)])
    assert more is not None
    parts = again(tiny_vocabulary, more.prepared, [say(tiny_vocabulary, LOOP)])
    assert parts is not None
    sources = [draft.source for draft in parts.prepared.drafts]
    assert len(sources) > 1
    assert all(source == source.strip() for source in sources)
    assert parts.missing == tuple(range(len(sources)))
    gaps = parts.prepared.gaps
    assert gaps[0] + "".join(map("".join, zip(sources, gaps[1:], strict=True))) == f" {LONG}\n"
    assert [len(segment.prefix_ids) > 0 for segment in parts.prepared.segments] == [True] + [False] * (len(sources) - 1)
    assert all(segment.options.beam_size == 4 for segment in parts.prepared.segments)
    loops = [say(tiny_vocabulary, LOOP)] * len(sources)
    assert again(tiny_vocabulary, parts.prepared, loops) is None
    last = combine(parts.prepared, loops, tiny_vocabulary)
    assert last.text == f" {LONG}\n"
    assert {warning.kind for warning in last.warnings} == {"untranslated"}


def test_other_figures_and_short_sentences_are_not_cut(tiny_vocabulary: Vocabulary) -> None:
    for text, translation in ((f"{LONG[:-1]} 3.", LONG.replace("The", "Das") + " 4."), ("The dog.", LOOP)):
        prepared = prepare(tiny_vocabulary, text)
        more = again(tiny_vocabulary, prepared, [say(tiny_vocabulary, translation)])
        assert more is not None
        assert again(tiny_vocabulary, more.prepared, [say(tiny_vocabulary, translation)]) is None


def test_one_retry_is_one_search(tiny_vocabulary: Vocabulary) -> None:
    more = again(tiny_vocabulary, prepare(tiny_vocabulary, LONG, max_retries=1), [say(tiny_vocabulary, LOOP)])
    assert more is not None
    assert again(tiny_vocabulary, more.prepared, [say(tiny_vocabulary, LOOP)]) is None
