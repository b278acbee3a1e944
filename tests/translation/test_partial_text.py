"""What is shown of a translation on the way is the beginning of what it becomes."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.bundle import read_config, read_vocabulary
from dragoman.model.config import Direction
from dragoman.model.decoding.decoders.native.decoder import is_available
from dragoman.model.decoding.request import Finished, Partial, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.vocabulary import PieceModel, Vocabulary
from dragoman.translation.combining import _visible_text, partial_text
from dragoman.translation.drafts import PreparedText
from dragoman.translation.preparing import Preparer
from dragoman.translation.translator import Translator

EN_DE = Direction("en", "de")
TEXT = (
    "  The dog is asleep. Where is the station?\n\nI have never seen such a large tree!  If it rains tomorrow, we will "
    "stay at home.Yes. "
)


@pytest.fixture(scope="module")
def tiny(tiny_vocabulary: Vocabulary) -> PieceModel:
    return tiny_vocabulary.target


def prepare(vocabulary: Vocabulary, text: str) -> PreparedText:
    preparer = Preparer(vocabulary, max_source_length=64, max_target_length=64)
    return preparer.prepare(text, EN_DE, SearchOptions(), split=True)


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_the_text_of_the_first_pieces_is_a_prefix_and_grows(tiny: PieceModel, data: st.DataObject) -> None:
    bytes_of = [
        tiny.piece_id(f"<0x{byte:02X}>") for byte in (0x20, 0x41, 0x80, 0xAC, 0x82, 0xC3, 0xE2, 0xF0, 0x9F, 0xFF)
    ]
    spaces = [tiny.piece_id("▁")]
    some = st.sampled_from([piece for piece in (*bytes_of, *spaces) if piece is not None])
    unprintable = set(tiny.unprintable_ids()) | {3}
    others = st.integers(0, tiny.size - 1).filter(lambda piece: piece not in unprintable)
    ids = data.draw(st.lists(some | others, max_size=12))
    whole = tiny.decode(ids)
    shown = ""
    for length in range(len(ids) + 1):
        now = _visible_text(ids[:length], tiny)
        assert now.startswith(shown)
        assert whole.startswith(now)
        shown = now


def test_a_character_is_shown_when_all_of_its_bytes_are_there(tiny: PieceModel) -> None:
    ids = tiny.encode("a ☃!")
    pieces = tiny.pieces(ids)
    first = pieces.index("<0xE2>")
    assert [_visible_text(ids[: first + n], tiny) for n in range(4)] == ["a ", "a ", "a ", "a ☃"]


def test_bytes_that_are_no_character_are_shown_when_that_is_sure(tiny: PieceModel) -> None:
    byte, letter = tiny.piece_id("<0x80>"), tiny.encode("a")[-1]
    assert byte is not None
    assert _visible_text([letter, byte], tiny) == tiny.decode([letter])
    assert _visible_text([letter, *[byte] * 5], tiny) == tiny.decode([letter]) + "\ufffd" * 2
    assert _visible_text([letter, byte, letter], tiny).count("\ufffd") == 1


def test_finished_sentences_stand_in_their_gaps_and_the_rest_is_not_shown(tiny_vocabulary: Vocabulary) -> None:
    prepared = prepare(tiny_vocabulary, " The dog. The tree.\nThe house. ")
    first, second, third = (
        TokenHypothesis(tuple(tiny_vocabulary.target.encode(text)), -1.0) for text in ("Der Hund.", "Baum", "Haus")
    )
    ids = second.token_ids

    def show(finished: list[list[TokenHypothesis] | None], partials: dict[int, Partial]) -> tuple[str, str]:
        return partial_text(prepared, finished, partials, tiny_vocabulary)

    assert show([None, None, None], {}) == (" ", "")
    partial = Partial(0, first.token_ids, 0)
    assert show([None, None, None], {0: partial}) == (" ", "Der Hund.")
    assert show([None, [second], None], {0: partial}) == (" ", "Der Hund.")
    assert show([[first], None, None], {}) == (" Der Hund. ", "")
    stable = tiny_vocabulary.target.decode(ids[:1])
    assert show([[first], None, [third]], {1: Partial(1, ids, 1)}) == (f" Der Hund. {stable}", "Baum"[len(stable) :])
    assert show([[first], [], None], {}) == (" Der Hund. The tree.\n", "")  # without a hypothesis it stands for itself
    assert show([[first], [second], [third]], {}) == (" Der Hund. Baum\nHaus ", "")


def test_a_blank_beginning_is_not_shown_since_a_blank_sentence_never_is(tiny_vocabulary: Vocabulary) -> None:
    space = tiny_vocabulary.target.piece_id("▁")
    assert space is not None
    prepared = prepare(tiny_vocabulary, "The dog.")
    assert partial_text(prepared, [None], {0: Partial(0, (space, space), 2)}, tiny_vocabulary) == ("", "")
    found = [TokenHypothesis((space, space), -1.0)]
    assert partial_text(prepared, [found], {}, tiny_vocabulary) == ("The dog.", "")


def test_a_blank_text_is_there_at_once(tiny_vocabulary: Vocabulary) -> None:
    assert partial_text(prepare(tiny_vocabulary, " \n"), [], {}, tiny_vocabulary) == (" \n", "")


@pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")
@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(beam_size=1),
        SearchOptions(),
        SearchOptions(beam_size=6, no_repeat_ngram_size=2, target_prefix="Also "),
        SearchOptions(n_best=2, sampling_temperature=0.5, seed=3),
        SearchOptions(beam_size=3, coverage_penalty=0.3, length_penalty=0.4),
    ],
)
def test_the_shipped_bundle_s_translations_grow_out_of_what_is_stable(options: SearchOptions) -> None:
    translator = Translator.load("en-de", max_slots=8, num_threads=1)
    prepared = translator.prepare(TEXT, EN_DE, options)
    requests = prepared.requests(itertools.count(), is_followed=True)
    finished: list[tuple[TokenHypothesis, ...] | None] = [None] * len(requests)
    partials: dict[int, Partial] = {}
    shown: list[str] = []
    translator.engine.admit(requests)
    while translator.engine.num_active:
        for event in translator.engine.step():
            if isinstance(event, Finished):
                finished[event.id] = event.hypotheses
            elif isinstance(event, Partial):
                partials[event.id] = event
        stable, unstable = translator.partial_text(prepared, finished, partials)
        assert stable.startswith(shown[-1] if shown else "")
        assert not unstable.startswith("\ufffd")
        shown.append(stable)
    text = translator.finish(prepared, [found for found in finished if found is not None]).text
    assert shown[-1] == text
    assert all(text.startswith(stable) for stable in shown)
    assert len(set(shown)) > 2


def test_wrapped_translations_grow_at_their_ends_too(tiny_bundle: Path) -> None:
    translator = Translator.load(tiny_bundle, max_slots=8, num_threads=1)
    text = "> The dog sees the house and then it goes to the house and sees the dog,\n> and that is all.\n\nThe dog."
    prepared = translator.prepare(text, EN_DE, SearchOptions(max_target_length=40), protect=False)
    assert prepared.wrapping is not None
    requests = prepared.requests(itertools.count(), is_followed=True)
    finished: list[tuple[TokenHypothesis, ...] | None] = [None] * len(requests)
    partials: dict[int, Partial] = {}
    shown = [""]
    translator.engine.admit(requests)
    while translator.engine.num_active:
        for event in translator.engine.step():
            if isinstance(event, Finished):
                finished[event.id] = event.hypotheses
            elif isinstance(event, Partial):
                partials[event.id] = event
        shown.append(translator.partial_text(prepared, finished, partials)[0])
        assert shown[-1].startswith(shown[-2])
    assert shown[-1] == translator.finish(prepared, [found for found in finished if found is not None]).text


def test_of_a_bundle_of_nonsense_too(tiny_bundle: Path) -> None:
    """Its translations are full of bytes, of blanks and of endings that come to nothing."""
    info = read_config(tiny_bundle)
    vocabulary = read_vocabulary(tiny_bundle, info)
    translator = Translator.load(tiny_bundle, max_slots=8, num_threads=1)
    for seed in range(15):
        options = SearchOptions(n_best=3, sampling_temperature=3.0, seed=seed, max_target_length=12)
        prepared = translator.prepare("The dog. The tree.", EN_DE, options)
        finished: list[tuple[TokenHypothesis, ...] | None] = [None] * len(prepared.segments)
        partials: dict[int, Partial] = {}
        shown = [""]
        translator.engine.admit(prepared.requests(itertools.count(), is_followed=True))
        while translator.engine.num_active:
            for event in translator.engine.step():
                if isinstance(event, Finished):
                    finished[event.id] = event.hypotheses
                elif isinstance(event, Partial):
                    partials[event.id] = event
            shown.append(partial_text(prepared, finished, partials, vocabulary)[0])
            assert shown[-1].startswith(shown[-2])
        assert shown[-1] == translator.finish(prepared, [found for found in finished if found is not None]).text
