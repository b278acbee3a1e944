"""What a configuration fills in and what it refuses."""

import re
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.model.config import ArchitectureConfig, Direction, VocabularyShape
from dragoman.model.config_files import validate_tree
from dragoman.model.errors import InvalidInputError


def error_of(values: dict[str, object]) -> tuple[str, str]:
    """Key and message of the one error of an architecture; the key is "" if several keys are at fault together."""
    with pytest.raises(InvalidInputError) as caught:
        validate_tree(ArchitectureConfig, values)
    found = re.fullmatch(r"(?:(\w+): )?(.*)", str(caught.value))
    assert found
    return found[1] or "", found[2]


def test_the_defaults_are_the_base_model_of_the_paper() -> None:
    config = ArchitectureConfig()
    assert (config.d_model, config.d_ff, config.num_heads, config.d_key, config.d_value) == (512, 2048, 8, 64, 64)
    assert (config.num_encoder_layers, config.num_decoder_layers, config.dropout) == (6, 6, 0.1)


@pytest.mark.parametrize(
    ("given_values", "d_key", "d_value"),
    [
        ({"d_model": 32, "num_heads": 4}, 8, 8),
        ({"d_model": 32, "num_heads": 4, "d_key": 3}, 3, 8),
        ({"d_model": 32, "num_heads": 4, "d_value": 5}, 8, 5),
        ({"d_model": 32, "num_heads": 5, "d_key": 3, "d_value": 5}, 3, 5),
        ({"num_heads": 2}, 256, 256),
    ],
)
def test_head_sizes_that_are_left_out(given_values: dict[str, object], d_key: int, d_value: int) -> None:
    config = validate_tree(ArchitectureConfig, given_values)
    assert (config.d_key, config.d_value) == (d_key, d_value)


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"d_modell": 8}, "d_modell", "unknown key, perhaps d_model"),
        ({"d_model": "512"}, "d_model", "Input should be a valid integer"),
        ({"d_model": 512.0}, "d_model", "Input should be a valid integer"),
        ({"dropout": 1.0}, "dropout", "Input should be less than 1"),
        ({"dropout": -0.1}, "dropout", "Input should be greater than or equal to 0"),
        ({"num_heads": 0}, "num_heads", "Input should be greater than 0"),
        ({"num_encoder_layers": 0}, "num_encoder_layers", "greater than or equal to 1"),
        ({"normalization": "both"}, "normalization", "Input should be 'pre' or 'post'"),
        ({"tied_embeddings": True}, "tied_embeddings", "'all', 'target', 'source' or 'none'"),
        ({"d_model": 7, "num_heads": 1}, "d_model", "must be even"),
        ({"d_model": 32, "num_heads": 5}, "", "32 is no multiple of num_heads 5: set d_key and d_value"),
        ({"d_model": 32, "num_heads": 5, "d_key": 6}, "", "32 is no multiple of num_heads 5: set d_value"),
        ({"max_source_length": 1}, "max_source_length", "greater than or equal to 2"),
        ({"d_model": 1 << 40}, "d_model", "less than or equal to 65536"),
        ({"d_ff": 66_312}, "d_ff", "less than or equal to 65536"),
        ({"num_decoder_layers": 10**9}, "num_decoder_layers", "less than or equal to 256"),
        ({"max_target_length": 10**9}, "max_target_length", "less than or equal to 65536"),
        ({"num_heads": 1024, "d_key": 1, "d_value": 65}, "d_value", "1024 heads of 65 are wider than 65,536"),
        ({"first_position": 3}, "first_position", "less than or equal to 2"),
        ({"positions": "learnt", "first_position": 2}, "", "first_position must be 0 if positions are learnt"),
        ({"d_model": 2, "num_heads": 1, "position_exponent": "half-minus-one"}, "", "needs d_model = 4 or more"),
        ({"norm_epsilon": 0.0}, "norm_epsilon", "greater than 0"),
        ({"activation": "tanh"}, "activation", "Input should be 'relu', 'swish', 'gelu', 'gelu-tanh' or"),
        ({"d_model": 8192, "max_source_length": 32769}, "max_source_length", "more than 268,435,456 numbers"),
    ],
)
def test_refused_with_the_key(values: dict[str, object], key: str, message: str) -> None:
    found_key, found_message = error_of(values)
    assert found_key == key
    assert message in found_message
    with pytest.raises((ValueError, TypeError)):  # nor can it be made in any other way
        ArchitectureConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "final_norm"),
    [
        ({}, True),
        ({"normalization": "pre"}, True),
        ({"normalization": "post"}, False),
        ({"normalization": "post", "final_norm": True}, True),
        ({"normalization": "pre", "final_norm": False}, False),
    ],
)
def test_the_final_norm_that_is_left_out(values: dict[str, object], final_norm: bool) -> None:
    assert validate_tree(ArchitectureConfig, values).final_norm == final_norm


@pytest.mark.parametrize("tied", ["all", "source"])
def test_a_shared_source_matrix_needs_shared_pieces(tied: str) -> None:
    config = validate_tree(ArchitectureConfig, {"tied_embeddings": tied})
    config.check_vocabulary(joint=True)
    with pytest.raises(ValueError, match=f'tied_embeddings = "{tied}" needs vocabulary.joint = true'):
        config.check_vocabulary(joint=False)


def test_frozen() -> None:
    config = ArchitectureConfig()
    with pytest.raises(FrozenInstanceError):
        config.d_model = 8  # type: ignore[misc]


def test_joint_vocabularies_have_one_size() -> None:
    assert VocabularyShape(source_size=7, target_size=8, joint=False).target_size == 8
    with pytest.raises(ValueError, match="cannot have 7 and 8 pieces"):
        VocabularyShape(source_size=7, target_size=8, joint=True)


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("en-de", Direction("en", "de")),
        ("en→de", Direction("en", "de")),
        ("en→pt-BR", Direction("en", "pt-BR")),
        ("zh-Hant→pt-BR", Direction("zh-Hant", "pt-BR")),
    ],
)
def test_directions(text: str, direction: Direction) -> None:
    assert Direction.parse(text) == direction


@pytest.mark.parametrize("text", ["", "en", "-", "→", "en-", "-de", "en→", "→de", "en-pt-BR", "en→de→fr", "en>de"])
def test_no_directions(text: str) -> None:
    with pytest.raises(InvalidInputError, match=f'"{text}" is no translation direction'):
        Direction.parse(text)


languages = st.from_regex(r"[a-z]{2,3}(-[A-Z]{2})?", fullmatch=True)


@given(languages, languages)
def test_a_direction_reads_what_it_writes(source: str, target: str) -> None:
    direction = Direction(source, target)
    assert Direction.parse(str(direction)) == direction
