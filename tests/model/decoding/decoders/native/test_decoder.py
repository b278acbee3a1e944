"""The kernels against the readable network: whatever stands in the other slots, at whatever positions."""

import dataclasses

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from dragoman.model.config import VocabularyShape
from dragoman.model.decoding.decoder import Given, PieceLists
from dragoman.model.decoding.decoders.native.decoder import Precision, is_available
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from tests.model.decoding.decoders.native.networks import (
    FORBIDDEN,
    PRECISIONS,
    Play,
    Sentence,
    all_of,
    assert_close,
    extensions_of,
    listed,
    log_probs_of,
    make_decoder,
    make_network,
    make_twin,
)
from tests.model.network.variants import VARIANTS
from tests.pieces import EOS_ID

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

APART = VocabularyShape(source_size=50, target_size=83, joint=False)

NETWORKS: dict[str, dict[str, object]] = {
    "pre-norm, all tied": {},
    "pre-norm, target tied": {"tied_embeddings": "target", "vocabulary": APART},
    "pre-norm, none tied": {"tied_embeddings": "none", "vocabulary": APART},
    "post-norm, all tied": {"normalization": "post"},
    "post-norm, target tied": {"normalization": "post", "tied_embeddings": "target"},
    "post-norm, none tied": {"normalization": "post", "tied_embeddings": "none"},
    "one head, one layer": {"num_heads": 1, "num_encoder_layers": 1, "num_decoder_layers": 1},
    "five heads of whole vectors": {"num_heads": 5, "d_key": 16, "d_value": 32, "d_model": 64, "d_ff": 160},
    "wide values": {"num_heads": 1, "d_key": 2, "d_value": 70, "d_model": 34, "d_ff": 6},
    "a vocabulary of whole panels": {"vocabulary": VocabularyShape(source_size=128, target_size=128, joint=True)},
    **{f"variant: {name}": changes for name, changes in VARIANTS.items()},
}


def make_sentences() -> list[Sentence]:
    """Sources within and beyond a vector of 16 and two of them, beams within and beyond a tile of 4 and of 6."""
    return [
        Sentence(0, [9, 3], beam_size=1),
        Sentence(1, [*range(5, 45), 3], beam_size=3),
        Sentence(3, [7, 5, 6, 8, 3], beam_size=8),
        Sentence(5, [*range(10, 26), 3], beam_size=5),
    ]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_log_probs_are_the_networks(kind: str, precision: Precision) -> None:
    network = make_network(**NETWORKS[kind])  # type: ignore[arg-type]
    decoder, twin, play = make_decoder(network, precision), make_twin(network, precision), Play()
    arrivals = make_sentences()
    found, due = [], []
    for step in range(36):  # pages of 16 positions are left behind twice
        if step % 5 == 0 and arrivals:
            play.admit(decoder, sentences=[arrivals.pop(0)])
        rows = play.rows()
        decoder.advance(rows)
        log_probs = decoder.log_probs(rows, all_of(rows))
        assert len(log_probs) == rows.num_rows
        if step % 4 == 3 or step < 3:
            found.append(log_probs)
            due.append(np.concatenate([log_probs_of(twin, sentence) for sentence in play.in_order()]))
        play.branch()
    assert_close(np.concatenate(found), np.concatenate(due), precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_extensions_are_the_best_of_the_log_probs(precision: Precision) -> None:
    decoder, play = make_decoder(make_network(), precision), Play(seed=1)
    sentences = make_sentences()
    for sentence, count in zip(sentences, (3, 1, 40, 75), strict=True):
        sentence.num_extensions = count
    sentences[0].can_end = sentences[3].can_end = False
    play.admit(decoder, sentences=sentences)
    for _ in range(12):
        rows = play.rows()
        decoder.advance(rows)
        log_probs = np.split(decoder.log_probs(rows, all_of(rows)).astype(np.float64), rows.offsets[1:-1])
        extensions = decoder.extend(rows, all_of(rows))
        assert extensions.log_probs.shape == (4, 75)
        for index, sentence in enumerate(play.in_order()):
            found, due = listed(extensions, index), extensions_of(log_probs[index], sentence)
            assert_allclose([one[0] for one in found], [one[0] for one in due], atol=1e-5)
            assert found == sorted(found, key=lambda one: (-one[0], one[1], one[2]))
            assert len({one[1:] for one in found}) == len(found)
            # Pieces whose log probabilities differ in the last bit may change places, so each is looked up by itself.
            own = [sentence.log_probs[parent] + log_probs[index][parent, piece] for _, parent, piece in found]
            assert_allclose([one[0] for one in found], own, atol=1e-5)
            assert EOS_ID not in [piece for *_, piece in found] or sentence.can_end
            assert not {piece for *_, piece in found} & set(FORBIDDEN)
        play.branch()


def random_lists(chance: np.random.Generator, num_rows: int) -> PieceLists:
    """Of each row no piece, some, or nearly all."""
    counts = chance.choice([0, 0, 2, 30, 75], size=num_rows)
    rows = np.arange(num_rows).repeat(counts)
    return PieceLists.from_pairs(rows, chance.integers(0, 75, size=len(rows)), num_rows)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_excluded_pieces_are_left_out_and_wanted_ones_are_told_of(precision: Precision) -> None:
    decoder, play, chance = make_decoder(make_network(), precision), Play(seed=2), np.random.default_rng(3)
    sentences = make_sentences()
    sentences[1].allowed_ids = np.array([3, 6, 9, 20, 33, 34, 35, 36, 60, 61], np.int32)
    play.admit(decoder, sentences=sentences)
    for step in range(10):
        rows = play.rows()
        decoder.advance(rows)
        log_probs = decoder.log_probs(rows, all_of(rows)).astype(np.float64)
        excluded, wanted = random_lists(chance, rows.num_rows), random_lists(chance, rows.num_rows)
        if step == 0:  # nothing is left to the first row
            excluded = PieceLists.from_pairs(np.zeros(75, np.int32), np.arange(75), rows.num_rows)
        found = decoder.extend(dataclasses.replace(rows, excluded=excluded, wanted=wanted), all_of(rows))
        due = rows.log_probs[wanted.rows()] + log_probs[wanted.rows(), wanted.token_ids]
        assert_allclose(found.wanted, due, atol=1e-5)
        ends = log_probs[:, EOS_ID].copy()
        log_probs[excluded.rows(), excluded.token_ids] = -np.inf
        stuck = ~(log_probs > -np.inf).any(axis=1)
        assert stuck.any() or step
        log_probs[stuck, EOS_ID] = ends[stuck]
        for index, sentence in enumerate(play.in_order()):
            own = log_probs[rows.offsets[index] : rows.offsets[index + 1]]
            best = extensions_of(own, sentence)
            assert_allclose([one[0] for one in listed(found, index)], [one[0] for one in best], atol=1e-5)
        play.branch()


def test_what_is_asked_of_one_sentence_changes_no_bit_of_another() -> None:
    decoder, play, chance = make_decoder(make_network(), "int8"), Play(seed=2), np.random.default_rng(3)
    play.admit(decoder, sentences=make_sentences())
    for _ in range(4):
        rows = play.rows()
        decoder.advance(rows)
        plain = decoder.extend(rows, all_of(rows))
        lists = []
        for _ in range(2):
            one = random_lists(chance, rows.num_rows)
            pairs = one.rows() >= rows.offsets[2]  # of the last two sentences alone
            lists.append(PieceLists.from_pairs(one.rows()[pairs], one.token_ids[pairs], rows.num_rows))
        found = decoder.extend(dataclasses.replace(rows, excluded=lists[0], wanted=lists[1]), all_of(rows))
        assert_array_equal(found.log_probs[:2], plain.log_probs[:2])
        assert_array_equal(found.token_ids[:2], plain.token_ids[:2])
        play.branch()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "kind",
    ["pre-norm, all tied", "post-norm, none tied", "five heads of whole vectors", "variant: Firefox", "variant: mBART"],
)
def test_given_translations_score_as_they_decode(kind: str, precision: Precision) -> None:
    network = make_network(**NETWORKS[kind])  # type: ignore[arg-type]
    decoder, chance = make_decoder(network, precision), np.random.default_rng(4)
    slow = TorchDecoder(make_twin(network, precision), max_slots=1)
    given = [
        Given(
            [*chance.integers(5, 70, size=length).tolist(), 3],
            [2, *chance.integers(0, 75, size=size).tolist(), 3],
            keep,
        )
        for length, size, keep in [(1, 0, True), (40, 20, False), (17, 49, True), (5, 7, True)] * 6
    ]
    found, due = decoder.score(given), slow.score(given)
    values, twins = (np.concatenate([one.log_probs for one in some])[:, None] for some in (found, due))
    assert_close(values, twins, precision)
    for one, other, sentence in zip(found, due, given, strict=True):
        assert (one.attention is not None) == (other.attention is not None) == sentence.keep_attention
        if one.attention is not None and other.attention is not None and precision == "float32":
            assert_allclose(one.attention, other.attention, atol=1e-5)
    for number in (0, 1, 2, 3):  # to the bit, whatever is scored beside it
        assert_array_equal(decoder.score([given[number]])[0].log_probs, found[number].log_probs)


def test_some_of_the_slots_can_be_asked_alone() -> None:
    decoder, play = make_decoder(make_network()), Play()
    play.admit(decoder, sentences=make_sentences())
    for _ in range(3):
        rows = play.rows()
        decoder.advance(rows)
        play.branch()
    log_probs, extensions = decoder.log_probs(rows, all_of(rows)), decoder.extend(rows, all_of(rows))
    for some in ([1], [0, 3], [1, 2], [0, 1, 2, 3]):
        which = np.array(some, np.int32)
        chosen = np.concatenate([np.arange(rows.offsets[index], rows.offsets[index + 1]) for index in some])
        assert_array_equal(decoder.log_probs(rows, which), log_probs[chosen])
        found = decoder.extend(rows, which)
        assert_array_equal(found.log_probs, extensions.log_probs[which])
        assert_array_equal(found.parents, extensions.parents[which])
        assert_array_equal(found.token_ids, extensions.token_ids[which])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_of_equals_the_lower_beam_and_then_the_lower_piece_comes_first(precision: Precision) -> None:
    network = make_network(tied_embeddings="none")
    with torch.no_grad():
        weight = network.output_projection.weight
        for first in range(6, 16):  # ten groups of equals, which stand in different vectors and panels
            weight[first + 17] = weight[first + 40] = weight[first + 55] = weight[first]
    decoder, play, only = make_decoder(network, precision), Play(), np.zeros(1, np.int32)
    play.admit(decoder, sentences=[Sentence(0, [5, 9, 3], beam_size=4)])
    sentence = play.sentences[0]
    for step in range(2):
        if step == 1:  # four hypotheses alike, of which only the last is likelier so far
            play.rows().ancestry[0, :4, 0] = 0
            sentence.hypotheses, sentence.log_probs = [[*sentence.hypotheses[0], 8]] * 4, [-2.0, -2.0, -2.0, -1.75]
        decoder.advance(play.rows())
        log_probs = decoder.log_probs(play.rows(), only).astype(np.float64)
        assert len(set(log_probs[0].tolist())) < 75 - len(FORBIDDEN) - 25  # there are equals
        for sentence.num_extensions in range(1, 76):  # the list ends within a group, too
            found = listed(decoder.extend(play.rows(), only), 0)
            assert [one[1:] for one in found] == [one[1:] for one in extensions_of(log_probs, sentence)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_if_all_are_equal_the_lowest_come_first(precision: Precision) -> None:
    network = make_network(tied_embeddings="none")
    with torch.no_grad():
        network.output_projection.weight.zero_()
    decoder, play = make_decoder(network, precision), Play()
    play.admit(decoder, sentences=[Sentence(0, [5, 3], beam_size=1, can_end=False, num_extensions=4)])
    decoder.advance(play.rows())
    found = listed(decoder.extend(play.rows(), np.zeros(1, np.int32)), 0)
    assert [one[1:] for one in found] == [(0, 5), (0, 6), (0, 7), (0, 8)]
    assert_allclose([one[0] for one in found], -np.log(75), rtol=1e-6)


@pytest.mark.parametrize("kind", ["pre-norm, all tied", "variant: Marian"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_shortlist_leaves_the_softmax_its_pieces_alone(precision: Precision, kind: str) -> None:
    network = make_network(**NETWORKS[kind])  # type: ignore[arg-type]
    decoder, twin, play = make_decoder(network, precision), make_twin(network, precision), Play()
    shortlists = [np.array(ids, np.int32) for ids in ([3, 4, 9], [3], range(3, 19), range(0, 75), [*range(3, 74, 3)])]
    sentences = [
        Sentence(slot, [6, 7 + slot, 3], beam_size=3, allowed_ids=ids, num_extensions=12, can_end=slot != 0)
        for slot, ids in enumerate(shortlists)
    ]
    play.admit(decoder, sentences=[*sentences, Sentence(5, [6, 7, 3], beam_size=3)])
    found, due = [], []
    for _ in range(5):
        rows = play.rows()
        decoder.advance(rows)
        found.append(decoder.log_probs(rows, all_of(rows)))
        due.append(np.concatenate([log_probs_of(twin, sentence) for sentence in play.in_order()]))
        extensions = decoder.extend(rows, all_of(rows))
        log_probs = np.split(found[-1].astype(np.float64), rows.offsets[1:-1])
        for index, sentence in enumerate(play.in_order()):
            best = extensions_of(log_probs[index], sentence)
            assert_allclose([one[0] for one in listed(extensions, index)], [one[0] for one in best], atol=1e-5)
        # The first has a single piece that is neither forbidden nor the end, so it has one extension a beam.
        assert [one[2] for one in listed(extensions, 0)] == [9] * len(play.sentences[0].hypotheses)
        assert_allclose(found[-1][rows.offsets[1], EOS_ID], 0.0, atol=1e-6)  # the second can only end
        play.branch()
    assert_close(np.concatenate(found), np.concatenate(due), precision)


@pytest.mark.parametrize("num_heads", [1, 3])
def test_attention_is_that_of_the_torch_decoder(num_heads: int) -> None:
    network = make_network(num_heads=num_heads)
    play, native = Play(), make_decoder(network)
    slow = TorchDecoder(network, forbidden_ids=FORBIDDEN, max_slots=6)
    sentences = make_sentences()
    for sentence in sentences[1:]:  # the first one does not ask
        sentence.keep_attention = True
    play.admit(native, slow, sentences=sentences[:3])
    widths: dict[int, list[int]] = {sentence.slot: [] for sentence in sentences}
    for step in range(20):
        if step == 7:
            play.admit(native, slow, sentences=sentences[3:])
        rows = play.rows()
        native.advance(rows)
        slow.advance(rows)
        for sentence in play.in_order():
            widths[sentence.slot].append(len(sentence.hypotheses))
        play.branch()
    for sentence in sentences[1:]:
        found, due = native.attention(sentence.slot), slow.attention(sentence.slot)
        assert found.shape == (len(widths[sentence.slot]), sentence.beam_size, len(sentence.source_ids))
        for position, width in enumerate(widths[sentence.slot]):
            assert_allclose(found[position, :width], due[position, :width], atol=1e-5)
            assert_allclose(found[position, :width].sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("kind", ["pre-norm, all tied", "variant: Firefox"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_slot_remembers_nothing_of_the_sentence_before(precision: Precision, kind: str) -> None:
    """Also where the memory that it is handed was another slot's, or was made for another number of beams."""
    network = make_network(**NETWORKS[kind])  # type: ignore[arg-type]
    used = make_decoder(network, precision, max_slots=4)
    for round_, beam_sizes in enumerate([(4, 2, 6), (2, 4, 4), (6, 6, 1), (1, 3, 8)]):
        fresh, play = make_decoder(network, precision, max_slots=4), Play(seed=round_)
        sentences = [
            Sentence((slot + round_) % 4, [5 + round_, *range(6, 9 + 7 * slot), 3], beam_size, keep_attention=slot == 1)
            for slot, beam_size in enumerate(beam_sizes)
        ]
        play.admit(used, fresh, sentences=sentences)
        for _ in range(20):
            rows = play.rows()
            for decoder in (used, fresh):
                decoder.advance(rows)
            assert_array_equal(used.log_probs(rows, all_of(rows)), fresh.log_probs(rows, all_of(rows)))
            play.branch()
        slot = sentences[1].slot
        found, due = used.attention(slot), fresh.attention(slot)
        assert_array_equal(found[0, 0], due[0, 0])
        play.release(used, slots=[sentence.slot for sentence in sentences])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_slot_may_be_left_before_its_first_step(precision: Precision) -> None:
    network = make_network()
    decoder, play = make_decoder(network, precision), Play()
    play.admit(decoder, sentences=[Sentence(2, [5, 6, 3], beam_size=2, keep_attention=True)])
    assert decoder.attention(2).shape == (0, 2, 3)
    play.release(decoder, slots=[2])
    play.admit(decoder, sentences=[Sentence(2, [9, 3], beam_size=1)])
    decoder.advance(play.rows())
    found = decoder.log_probs(play.rows(), np.zeros(1, np.int32))
    assert_close(found, log_probs_of(make_twin(network, precision), play.sentences[2]), precision)
