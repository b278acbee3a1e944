"""The kernels where numbers are of extreme size."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from dragoman.model.config import MAX_WIDTH
from dragoman.model.decoding.decoder import Floats
from dragoman.model.decoding.decoders.native.decoder import Precision, is_available
from dragoman.model.network.transformer import Transformer
from tests.model.decoding.decoders.native.networks import (
    PRECISIONS,
    Play,
    Sentence,
    all_of,
    assert_close,
    log_probs_of,
    make_decoder,
    make_network,
    make_twin,
)

pytestmark = pytest.mark.skipif(not is_available(), reason="needs a C++ compiler")


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


def test_the_widest_sums_of_8_bits_do_not_overflow() -> None:
    """The bound on widths is the kernels': 255 times 127, as often as a vector may be wide, fits into 32 bits."""
    assert 255 * 127 * MAX_WIDTH < 2**31
