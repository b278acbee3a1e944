"""The table of parameters; that it is the network's own is tested in test_weights.py."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.parameters import describe_parameters, sinusoidal_positions


def test_what_a_decoder_keeps_is_told_from_other_projections() -> None:
    shape = VocabularyShape(source_size=10, target_size=10, joint=True)
    architecture = ArchitectureConfig(
        d_model=4, d_ff=4, num_heads=1, d_key=4, d_value=4, num_encoder_layers=1, num_decoder_layers=1
    )
    kept = {one.module for one in describe_parameters(architecture, shape) if one.role == "cached_projection"}
    attentions = ("self_attention", "cross_attention")
    assert kept == {f"decoder_layers.0.{name}.{part}" for name in attentions for part in ("key", "value")}


@given(length=st.integers(1, 40), half=st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_positions_equal_the_formula(length: int, half: int) -> None:
    d_model = 2 * half
    found = sinusoidal_positions(length, d_model)
    assert found.shape == (length, d_model)
    assert found.dtype == np.float32
    for position in range(length):
        for i in range(half):
            angle = position / 10000 ** (2 * i / d_model)
            assert found[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-7)
            assert found[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-7)


def test_golden_positions_of_other_toolkits() -> None:
    # Of position 2: all sines, then all cosines; the last frequency is 1/10000.
    found = sinusoidal_positions(1, 6, first=2, is_split=True, reaches_the_end=True)[0]
    angles = [2.0, 2 / 100, 2 / 10000]
    np.testing.assert_allclose(found, [*map(math.sin, angles), *map(math.cos, angles)], rtol=1e-6)


def test_golden_positions() -> None:
    golden = [[0.0, 1.0, 0.0, 1.0], [0.84147098, 0.54030231, 0.00999983, 0.99995000]]
    np.testing.assert_allclose(sinusoidal_positions(2, 4), golden, rtol=1e-5)
    # Far out a product in float32 would be off in the fourth digit: sin and cos of 4999.
    far = sinusoidal_positions(5000, 2)[4999]
    np.testing.assert_allclose(far, [math.sin(4999), math.cos(4999)], rtol=1e-5)
