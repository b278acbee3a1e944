"""The kernels against the readable network: whatever stands in the other slots, at whatever positions."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from model.config import EOS_ID, VocabularyShape
from model.decoding.decoder import Floats
from model.decoding.native.decoder import NativeDecoder, Precision, default_threads, is_available, sinusoidal_positions
from model.decoding.torch_decoder import TorchDecoder
from model.errors import InvalidInputError
from model.transformer import Transformer
from model.weights import StoredTensor
from tests.model.decoding.native.networks import (
    FORBIDDEN,
    VOCABULARY,
    Play,
    Sentence,
    all_of,
    extensions_of,
    listed,
    log_probs_of,
    make_decoder,
    make_network,
    make_twin,
    tensors_of,
    vocabulary_of,
)

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")

ROOT = Path(__file__).parents[4]

PRECISIONS: tuple[Precision, ...] = ("float32", "int8")

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
}


def make_sentences() -> list[Sentence]:
    """Sources within and beyond a vector of 16 and two of them, beams within and beyond a tile of 4 and of 6."""
    return [
        Sentence(0, [9, 3], beam_size=1),
        Sentence(1, [*range(5, 45), 3], beam_size=3),
        Sentence(3, [7, 5, 6, 8, 3], beam_size=8),
        Sentence(5, [*range(10, 26), 3], beam_size=5),
    ]


def assert_close(found: Floats, due: Floats, precision: Precision) -> None:
    """Rows of log probabilities. In 8 bits nearly all agree as closely as in float32. Only where a number lies between
    two integers to the last bit may it be rounded to either, and then its row is off by as much as 8 bits are."""
    assert_array_equal(np.isneginf(found), np.isneginf(due))
    errors = np.abs(np.where(np.isfinite(due), found, 0) - np.where(np.isfinite(due), due, 0)).max(axis=1)
    bound = 2e-6 * np.abs(due[np.isfinite(due)]).max()
    if precision == "float32":
        assert errors.max() < bound
    else:
        assert np.mean(errors < bound) > 0.75
        assert errors.max() < 0.3


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_log_probs_are_the_networks(kind: str, precision: Precision) -> None:
    network = make_network(**NETWORKS[kind])  # type: ignore[arg-type]
    decoder, twin, play = make_decoder(network, precision, num_threads=2), make_twin(network, precision), Play()
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
    decoder, play = make_decoder(make_network(), precision, num_threads=2), Play(seed=1)
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


def test_some_of_the_slots_can_be_asked_alone() -> None:
    decoder, play = make_decoder(make_network(), num_threads=2), Play()
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
    decoder, play = make_decoder(network, precision), Play()
    play.admit(decoder, sentences=[Sentence(0, [5, 9, 3], beam_size=4)])
    decoder.advance(play.rows())
    sentence = play.sentences[0]
    table = play.rows().ancestry
    table[0, :4, 0] = 0  # four hypotheses alike, of which only the last is likelier so far
    sentence.hypotheses, sentence.log_probs = [[*sentence.hypotheses[0], 8]] * 4, [-2.0, -2.0, -2.0, -1.75]
    decoder.advance(play.rows())
    log_probs = decoder.log_probs(play.rows(), np.zeros(1, np.int32))
    assert len(set(log_probs[0].tolist())) < 75 - len(FORBIDDEN) - 25  # there are equals
    for sentence.num_extensions in (1, 2, 3, 5, 7, 12, 19, 40, 75):  # the list ends within a group, too
        found = listed(decoder.extend(play.rows(), np.zeros(1, np.int32)), 0)
        assert [one[1:] for one in found] == [one[1:] for one in extensions_of(log_probs.astype(float), sentence)]


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


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_shortlist_leaves_the_softmax_its_pieces_alone(precision: Precision) -> None:
    network = make_network()
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
    play, native = Play(), make_decoder(network, num_threads=2)
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


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_slot_remembers_nothing_of_the_sentence_before(precision: Precision) -> None:
    """Also where the memory that it is handed was another slot's, or was made for another number of beams."""
    network = make_network()
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


# Numbers of extreme size


def step_once(network: Transformer, precision: Precision) -> tuple[Floats, Floats, list[float]]:
    """Log probabilities of a first step: the kernels', the twin's, and those of the best extensions."""
    decoder, play = make_decoder(network, precision), Play()
    play.admit(decoder, sentences=[Sentence(0, [5, 6, 7, 3], beam_size=2)])
    rows = play.rows()
    decoder.advance(rows)
    due = log_probs_of(make_twin(network, precision), play.sentences[0])
    return decoder.log_probs(rows, all_of(rows)), due, decoder.extend(rows, all_of(rows)).log_probs[0].tolist()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("normalization", ["pre", "post"])
def test_large_logits(normalization: str, precision: Precision) -> None:
    network = make_network(tied_embeddings="none", normalization=normalization)
    with torch.no_grad():
        network.output_projection.weight.mul_(1e4)
    found, due, best = step_once(network, precision)
    assert_array_equal(np.isneginf(found), np.isneginf(due))
    possible = np.isfinite(due)
    assert np.abs(due[possible]).max() > 1e4
    largest = np.abs(due[possible]).max()  # beside which float32 rounds
    assert_allclose(found[possible], due[possible], atol=largest * (1e-6 if precision == "float32" else 1e-2))
    assert_allclose(best, np.sort(found[possible].ravel())[::-1][:6], atol=largest * 1e-6)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("normalization", ["pre", "post"])
def test_sharp_attention(normalization: str, precision: Precision) -> None:
    network = make_network(normalization=normalization)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("query.weight"):
                parameter.mul_(1e3)
    found, due, _ = step_once(network, precision)
    assert_close(found, due, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("normalization", ["pre", "post"])
def test_rows_of_zeros(normalization: str, precision: Precision) -> None:
    network = make_network(normalization=normalization)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "embedding" in name or "inner" in name or "query" in name:
                parameter.zero_()
    found, due, best = step_once(network, precision)
    assert_close(found, due, precision)
    assert_allclose(best, -np.log(75), rtol=1e-5)


@pytest.mark.parametrize("d_model", [24, 34])
def test_rows_far_from_zero(d_model: int) -> None:
    """Their mean is many times their deviation."""
    network = make_network(d_model=d_model, tied_embeddings="none")
    with torch.no_grad():
        network.target_embedding.weight.add_(1000 / d_model**0.5)
    found, due, _ = step_once(network, "float32")
    assert_allclose(found, due, atol=1e-3)


# What it is made of


def test_the_process_may_end_while_a_thread_decodes() -> None:
    code = """
import threading
from tests.model.decoding.native.networks import Play, Sentence, make_decoder, make_network
decoder, is_busy = make_decoder(make_network(d_model=512, d_ff=2048), num_threads=2), threading.Event()
def encode():
    while True:
        Play().admit(decoder, sentences=[Sentence(slot, [5] * 50, beam_size=1) for slot in range(6)])
        is_busy.set()
threading.Thread(target=encode, daemon=True).start()
is_busy.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(tensors_of(make_network())))
def test_a_missing_or_misshapen_tensor_is_named(name: str) -> None:
    network = make_network()
    tensors = tensors_of(network)
    whole = tensors.pop(name)
    with pytest.raises(InvalidInputError, match=rf"^the weights: lacks the tensor {name}$"):
        NativeDecoder(network.config, VOCABULARY, tensors)
    tensors[name] = StoredTensor(whole.values[:-1].copy())
    with pytest.raises(InvalidInputError, match=rf"^the weights: the tensor {name} has the wrong shape$"):
        NativeDecoder(network.config, VOCABULARY, tensors)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_takes_weights_that_are_stored_in_8_bits(precision: Precision) -> None:
    network = make_network()
    as_stored: dict[str, StoredTensor] = {}
    for name, tensor in tensors_of(network).items():
        if tensor.values.ndim < 2:
            as_stored[name] = tensor
        else:
            scales = np.abs(tensor.values).max(axis=1) / np.float32(127)
            as_stored[name] = StoredTensor(np.rint(tensor.values / scales[:, None]).astype(np.int8), scales)
    as_floats = {name: StoredTensor(tensor.as_floats()) for name, tensor in as_stored.items()}
    results = []
    for tensors in (as_stored, as_floats):
        decoder, play = NativeDecoder(network.config, vocabulary_of(network), tensors, precision=precision), Play()
        play.admit(decoder, sentences=make_sentences())
        rows = play.rows()
        decoder.advance(rows)
        results.append(decoder.log_probs(rows, all_of(rows)))
    assert_array_equal(results[0], results[1])


def test_tells_what_it_is() -> None:
    network = make_network(max_source_length=40)
    decoder = make_decoder(network, max_slots=3)
    assert (decoder.max_slots, decoder.vocab_size) == (3, 75)
    assert (decoder.max_source_length, decoder.max_target_length) == (40, 50)


@pytest.mark.parametrize("d_model", [2, 24, 512])
def test_positions_are_those_of_the_network(d_model: int) -> None:
    network = make_network(d_model=d_model, max_target_length=256)
    assert_allclose(sinusoidal_positions(256, d_model), network.position_encodings.numpy(), atol=1e-6)


@pytest.mark.parametrize(("value", "due"), [("3", 3), ("1", 1)])
def test_threads_are_as_many_as_the_environment_says(value: str, due: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert default_threads() == due


@pytest.mark.parametrize("value", ["", "0", "many", "-2"])
def test_threads_are_as_many_as_processors_otherwise(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    unset = default_threads()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert unset == default_threads() >= 1
