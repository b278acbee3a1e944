"""What a kernels' decoder is made of, what it tells of itself, and its end."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dragoman.model.decoding.decoders.native import decoder as native
from dragoman.model.decoding.decoders.native.decoder import NativeDecoder, Precision, is_available
from dragoman.model.errors import InvalidInputError
from dragoman.model.parameters import Parameter, describe_parameters
from dragoman.model.weights import StoredTensor
from tests.model.decoding.decoders.native.networks import (
    PRECISIONS,
    VOCABULARY,
    Play,
    Sentence,
    all_of,
    make_decoder,
    make_network,
    tensors_of,
)

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")


ROOT = Path(__file__).parents[5]


def test_the_process_may_end_while_a_thread_decodes() -> None:
    code = """
import threading
from tests.model.decoding.decoders.native.networks import Play, Sentence, make_decoder, make_network
decoder, is_busy = make_decoder(make_network(d_model=512, d_ff=2048)), threading.Event()
def encode():
    while True:
        Play().admit(decoder, sentences=[Sentence(slot, [5] * 50, beam_size=1) for slot in range(6)])
        is_busy.set()
threading.Thread(target=encode, daemon=True).start()
is_busy.wait()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_replica_has_slots_of_its_own_and_outlives_its_model(precision: Precision) -> None:
    network = make_network()
    decoders = [make_decoder(network, precision, max_slots=2)]
    decoders.append(decoders[0].replicate())
    decoders.append(decoders[1].replicate())
    plays, due = [Play(seed=seed) for seed in range(3)], []
    for seed, (decoder, play) in enumerate(zip(decoders, plays, strict=True)):
        play.admit(decoder, sentences=[Sentence(1, [5 + seed, *range(6, 9), 3], beam_size=2 + seed)])
        lonely, alone = make_decoder(network, precision, max_slots=2), Play(seed=seed)
        alone.admit(lonely, sentences=[Sentence(1, [5 + seed, *range(6, 9), 3], beam_size=2 + seed)])
        lonely.advance(alone.rows())
        due.append(lonely.log_probs(alone.rows(), all_of(alone.rows())))
    for left in range(3):  # by turns; the first one goes first
        for play, decoder, numbers in zip(plays[left:], decoders, due[left:], strict=True):
            decoder.advance(play.rows())
            assert_array_equal(decoder.log_probs(play.rows(), all_of(play.rows())), numbers)
        del decoders[0]


@pytest.mark.parametrize("name", sorted(tensors_of(make_network())))
def test_a_missing_or_misshapen_tensor_is_named(name: str) -> None:
    network = make_network()
    tensors = tensors_of(network)
    whole = tensors.pop(name)
    with pytest.raises(InvalidInputError, match=rf"^the weights: lacks the tensor {name}$"):
        NativeDecoder(network.config, VOCABULARY, tensors)
    tensors[name] = StoredTensor(whole.values[:-1].copy())
    with pytest.raises(InvalidInputError, match=rf"^the weights: {name} has the shape \[.*\], but \[.*\] is due$"):
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
        decoder, play = NativeDecoder(network.config, network.vocabulary, tensors, precision=precision), Play()
        play.admit(decoder, sentences=[Sentence(0, [9, 3], beam_size=1), Sentence(4, [*range(5, 45), 3], beam_size=3)])
        rows = play.rows()
        decoder.advance(rows)
        results.append(decoder.log_probs(rows, all_of(rows)))
    assert_array_equal(results[0], results[1])


def test_tells_what_it_is() -> None:
    network = make_network(max_source_length=40)
    decoder = make_decoder(network, max_slots=3)
    assert (decoder.max_slots, decoder.vocabulary.target_size) == (3, 75)
    assert (decoder.max_source_length, decoder.max_target_length) == (40, 50)


def test_a_network_with_parameters_that_the_kernels_do_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network()
    name = "output_projection.bias"
    known, one_more = describe_parameters(network.config, VOCABULARY), Parameter(name, "bias", (75,), name)
    monkeypatch.setattr(native, "describe_parameters", lambda *_: (*known, one_more))
    tensors = tensors_of(network) | {name: StoredTensor(np.zeros(75, np.float32))}
    with pytest.raises(InvalidInputError, match=rf"^the weights: the kernels know no tensor {name}$"):
        NativeDecoder(network.config, VOCABULARY, tensors)
