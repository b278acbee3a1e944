"""Sentences that were changed before they were translated, and further rounds."""

from dataclasses import dataclass

from dragoman.model.config import Direction
from dragoman.model.decoding.request import UNNUMBERED, Partial, Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.vocabulary import Vocabulary
from dragoman.translation.combining import combine, partial_text
from dragoman.translation.drafts import Draft, PreparedText, replace_sentences

EN_DE = Direction("en", "de")
OPTIONS = SearchOptions(n_best=2)


@dataclass(frozen=True, slots=True)
class StandIn:
    """Puts `original` back."""

    original: str
    word: str

    def undo(self, target: str) -> str | None:
        return target.replace(self.word, self.original) if target.count(self.word) == 1 else None


def make(vocabulary: Vocabulary, *drafts: Draft) -> PreparedText:
    def encode(text: str) -> Request:
        return Request(UNNUMBERED, tuple(vocabulary.source.encode(text)), OPTIONS, 50)

    segments = tuple(encode(draft.text) for draft in drafts)
    gaps = ("", *[" "] * (len(drafts) - 1), "\n")
    text = "".join(gap + source for gap, source in zip(gaps, [*(draft.source for draft in drafts), ""], strict=True))
    return PreparedText(text, segments, drafts, gaps, OPTIONS, EN_DE)


def found(vocabulary: Vocabulary, *texts: str) -> tuple[TokenHypothesis, ...]:
    return tuple(
        TokenHypothesis(tuple(vocabulary.target.encode(text)), -float(rank)) for rank, text in enumerate(texts)
    )


CHANGED = Draft("The dog Rex.", "The dog Tom.", (StandIn("Rex", "Tom"),))


def test_changes_are_undone_from_the_last_to_the_first() -> None:
    draft = Draft("c", "a", (StandIn("c", "b"), StandIn("b", "a")))
    assert draft.restore("x a x") == "x c x"
    assert draft.restore("x") is None
    assert Draft("x", "x").restore("y") == "y"


def test_the_translation_has_the_user_s_words(tiny_vocabulary: Vocabulary) -> None:
    prepared = make(tiny_vocabulary, CHANGED)
    translation = combine(prepared, [found(tiny_vocabulary, "Der Hund Tom.")], tiny_vocabulary)
    assert translation.text == "Der Hund Rex.\n"


def test_a_hypothesis_that_lost_the_stand_in_is_dropped(tiny_vocabulary: Vocabulary) -> None:
    prepared = make(tiny_vocabulary, CHANGED)
    translation = combine(prepared, [found(tiny_vocabulary, "Der Hund.", "Ein Hund Tom.")], tiny_vocabulary)
    assert [hypothesis.text for hypothesis in translation.hypotheses] == ["Ein Hund Rex.\n"]
    lost = combine(prepared, [found(tiny_vocabulary, "Der Hund.", "Ein Hund.")], tiny_vocabulary)
    assert (lost.text, lost.score) == ("The dog Rex.\n", 0.0)


def test_nothing_of_a_changed_sentence_is_final_before_the_translation(tiny_vocabulary: Vocabulary) -> None:
    prepared = make(tiny_vocabulary, Draft("The tree.", "The tree."), CHANGED, Draft("The cat.", "The cat."))
    first = found(tiny_vocabulary, "Der Baum.")
    second = found(tiny_vocabulary, "Der Hund Tom.")
    whole = second[0].token_ids
    under_way = {1: Partial(0, whole[:-1], len(whole) - 1)}
    assert partial_text(prepared, [first, None, None], under_way, tiny_vocabulary) == ("Der Baum. ", "Der Hund Rex")
    assert partial_text(prepared, [first, second, first], {}, tiny_vocabulary) == ("Der Baum. ", "Der Hund Rex.")


def test_a_round_replaces_sentences_and_keeps_the_rest(tiny_vocabulary: Vocabulary) -> None:
    plain = Draft("The tree.", "The tree.")
    prepared = make(tiny_vocabulary, plain, CHANGED, plain)
    tree, lost = found(tiny_vocabulary, "Der Baum."), found(tiny_vocabulary, "Der Hund.")
    parts = make(tiny_vocabulary, Draft("The", "The", attempt=1), Draft("dog Rex.", "dog Rex.", attempt=1))
    again = replace_sentences(prepared, [tree, lost, tree], {1: parts})
    assert again.known == (tree, None, None, tree)
    assert again.missing == (1, 2)
    assert again.prepared.gaps == ("", " ", " ", "\n ", "\n")
    assert [draft.source for draft in again.prepared.drafts] == ["The tree.", "The", "dog Rex.", "The tree."]
    both = again.prepared.only(again.missing)
    assert both.segments == parts.segments
    words = [found(tiny_vocabulary, "Der"), found(tiny_vocabulary, "Hund.")]
    assert again.complete(words) == [tree, *words, tree]
