"""Hugging Face's encoder–decoder translation models: MarianMTModel, M2M100 with NLLB, mBART-50.

Learnt from transformers' src/transformers/models/{marian,m2m_100,nllb,mbart}. Their weights have the same names; their
vocabularies are read in `huggingface_vocabulary`.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dragoman.model.config import MAX_LAYERS, ArchitectureConfig
from dragoman.model.config_files import validate_tree
from dragoman.model.errors import InvalidInputError
from dragoman.model.foreign.files import Files
from dragoman.model.foreign.huggingface_vocabulary import read_vocabulary
from dragoman.model.foreign.model import ForeignModel, ImportOptions, choose_directions, floats, storage_of
from dragoman.model.foreign.tensors import read_tensors
from dragoman.model.foreign_vocabulary import SOURCE_LANGUAGE
from dragoman.model.parameters import (
    OUTPUT_BIAS,
    OUTPUT_PROJECTION,
    SOURCE_EMBEDDING,
    TARGET_EMBEDDING,
    learnt_positions,
)
from dragoman.model.weights import StoredTensor

KINDS = ("marian", "m2m_100", "mbart")
"""The values of config.json's model_type that are read."""

_ACTIVATIONS = {
    "relu": "relu",
    "swish": "swish",
    "silu": "swish",
    "gelu": "gelu",
    "gelu_new": "gelu-tanh",
    "gelu_pytorch_tanh": "gelu-tanh",
    "quick_gelu": "gelu-sigmoid",
}

_MARIAN_EPSILON = 1e-6

_LEARNT_OFFSET = 2
"""Rows of mBART's tables of positions before the first position."""

_NOTES = {
    "transformers": "Positions and layer norms are those of transformers, whose sinusoids differ a little from those "
    "of Marian, in which the model was trained; `--positions marian` chooses Marian's.",
    "marian": "Positions and layer norms are those of Marian, in which the model was trained; those of transformers "
    "differ a little.",
}

Config = Mapping[str, Any]
Arrays = dict[str, NDArray[Any]]


def read_huggingface(files: Files, options: ImportOptions) -> ForeignModel:
    """The model of a folder. Raises InvalidInputError naming what is wrong."""
    config = files.read_object("config.json")
    kind = config.get("model_type")
    if kind not in KINDS:
        raise InvalidInputError(f"{files.origin / 'config.json'}: model_type {kind}: supported are {', '.join(KINDS)}")
    tensors, names = read_tensors(files)
    try:
        weights, facts = _read_weights(tensors, config, kind)
        architecture = _read_architecture(config, kind, options, facts)
    except InvalidInputError as error:
        raise InvalidInputError(f"{files.origin}: {error}") from error
    rows = [weights.get(key, weights[SOURCE_EMBEDDING]).values.shape[0] for key in (SOURCE_EMBEDDING, TARGET_EMBEDDING)]
    vocabulary = read_vocabulary(files, config, kind, rows, options)
    is_half = all(values.dtype == np.float16 for name, values in tensors.items() if name.endswith("proj.weight"))
    has_source = SOURCE_LANGUAGE in (*vocabulary.codec.config.before, *vocabulary.codec.config.after)
    languages = list(vocabulary.languages)
    return ForeignModel(
        format=f"Hugging Face {kind}",
        architecture=architecture,
        codec=vocabulary.codec,
        weights=weights,
        directions=choose_directions(
            options, languages if has_source else vocabulary.sources, languages or vocabulary.targets
        ),
        storage=storage_of(weights, is_half=is_half),
        notes=(_NOTES[options.positions],) if kind == "marian" else (),
        licence=_read_licence(files),
        details={"files": [*names, *vocabulary.files]},
    )


def _read_licence(files: Files) -> str | None:
    """As the model's card states it in its first lines."""
    if "README.md" not in files:
        return None
    found = re.match(r"---\n(?:.*\n)*?license:\s*([\w.-]+)", files.read_text("README.md")[:5000])
    return found[1] if found else None


def _read_architecture(
    config: Config, kind: str, options: ImportOptions, facts: Mapping[str, Any]
) -> ArchitectureConfig:
    activation = config.get("activation_function", "gelu" if kind != "m2m_100" else "relu")
    if activation not in _ACTIVATIONS:
        raise InvalidInputError(f"activation_function {activation} is not supported")
    heads = [config.get(f"{stack}_attention_heads", 16) for stack in ("encoder", "decoder")]
    widths = [config.get(f"{stack}_ffn_dim", 4096) for stack in ("encoder", "decoder")]
    for key, values in (("attention_heads", heads), ("ffn_dim", widths)):
        if values[0] != values[1]:
            raise InvalidInputError(f"encoder_{key} is {values[0]}, but decoder_{key} is {values[1]}: not supported")
    is_marian = kind == "marian"
    trained = is_marian and options.positions == "marian"
    length = config.get("max_position_embeddings", 512 if is_marian else 1024)
    positions: dict[str, Any] = {"positions": "learnt"}
    if kind != "mbart":
        reaches = trained or kind == "m2m_100"
        positions = {
            "positions": "half-split",
            "position_exponent": "half-minus-one" if reaches else "half",
            "first_position": config.get("pad_token_id", 1) + 1 if kind == "m2m_100" else 0,
        }
    return validate_tree(
        ArchitectureConfig,
        {
            "d_model": config.get("d_model", 1024),
            "d_ff": widths[0],
            "num_heads": heads[0],
            "num_encoder_layers": config.get("encoder_layers", 12),
            "num_decoder_layers": config.get("decoder_layers", 12),
            "normalization": "post" if is_marian else "pre",
            "final_norm": not is_marian,
            "embedding_norm": kind == "mbart",
            "norm_epsilon": _MARIAN_EPSILON if trained else 1e-5,
            "activation": _ACTIVATIONS[activation],
            "scale_embeddings": bool(config.get("scale_embedding", kind == "m2m_100")),
            "max_source_length": length,
            "max_target_length": length,
            **positions,
            **facts,
        },
        origin="config.json",
    )


def _read_weights(tensors: Arrays, config: Config, kind: str) -> tuple[dict[str, StoredTensor], dict[str, Any]]:
    """The network's parameters, and the keys of the architecture that follow from them."""
    reader = _Reader(tensors)
    is_shared = config.get("share_encoder_decoder_embeddings", True) if kind == "marian" else True
    is_tied = config.get("tie_word_embeddings", True)
    source_name, target_name = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"
    shared = ("shared.weight", source_name, target_name, *(["lm_head.weight"] if is_tied else []))
    weights = {SOURCE_EMBEDDING: reader.get(*(shared if is_shared else (source_name, "shared.weight")))}
    if not is_shared:
        weights[TARGET_EMBEDDING] = reader.get(target_name, *(["lm_head.weight"] if is_tied else []))
    if not is_tied:
        weights[OUTPUT_PROJECTION] = reader.get("lm_head.weight")
    bias = reader.find("final_logits_bias")
    has_bias = bias is not None and bool(np.any(bias))
    if has_bias:
        weights[OUTPUT_BIAS] = floats(np.asarray(bias).reshape(-1))
    for stack in ("encoder", "decoder"):
        table = reader.find(f"{stack}.embed_positions.weight")
        if kind == "mbart":
            if table is None:
                raise InvalidInputError(f"lacks the tensor model.{stack}.embed_positions.weight")
            weights[learnt_positions(stack)] = floats(table[_LEARNT_OFFSET:])
            weights |= reader.norm(f"{stack}.layernorm_embedding", f"{stack}_embedding_norm")
        if kind != "marian":
            weights |= reader.norm(f"{stack}.layer_norm", f"{stack}_norm")
        depth = config.get(f"{stack}_layers", 12)
        if not isinstance(depth, int) or not 0 < depth <= MAX_LAYERS:
            raise InvalidInputError(f"config.json: {stack}_layers is {depth}")
        for index in range(depth):
            weights |= _read_layer(reader, stack, index)
    if left := reader.left():
        raise InvalidInputError(f"has tensors of a variant that is not supported: {', '.join(left[:4])}")
    ties = {(True, True): "all", (False, True): "target", (True, False): "source", (False, False): "none"}
    return weights, {"output_bias": has_bias, "tied_embeddings": ties[bool(is_shared), bool(is_tied)]}


def _read_layer(reader: "_Reader", stack: str, index: int) -> dict[str, StoredTensor]:
    theirs, ours = f"{stack}.layers.{index}", f"{stack}_layers.{index}"
    weights: dict[str, StoredTensor] = {}
    attentions = {"self_attn": "self_attention", "encoder_attn": "cross_attention"}
    for name, our_name in list(attentions.items())[: 1 if stack == "encoder" else 2]:
        for part, our_part in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "output")):
            weights |= reader.linear(f"{theirs}.{name}.{part}", f"{ours}.{our_name}.{our_part}")
        weights |= reader.norm(f"{theirs}.{name}_layer_norm", f"{ours}.{our_name}_residual.norm")
    weights |= reader.linear(f"{theirs}.fc1", f"{ours}.feed_forward.inner")
    weights |= reader.linear(f"{theirs}.fc2", f"{ours}.feed_forward.outer")
    return weights | reader.norm(f"{theirs}.final_layer_norm", f"{ours}.feed_forward_residual.norm")


class _Reader:
    """Gives the tensors by name, without "model." before it, and remembers which are left."""

    def __init__(self, tensors: Arrays) -> None:
        self._tensors = {name.removeprefix("model."): values for name, values in tensors.items()}
        self._left = set(self._tensors)

    def find(self, name: str) -> NDArray[Any] | None:
        self._left.discard(name)
        return self._tensors.get(name)

    def get(self, *names: str) -> StoredTensor:
        """The first of the names that exists; the others are the same tensor."""
        found = [values for name in names if (values := self.find(name)) is not None]
        if not found:
            raise InvalidInputError(f"lacks the tensor model.{names[0]}")
        return floats(found[0])

    def linear(self, theirs: str, ours: str) -> dict[str, StoredTensor]:
        return {f"{ours}.{part}": self.get(f"{theirs}.{part}") for part in ("weight", "bias")}

    def norm(self, theirs: str, ours: str) -> dict[str, StoredTensor]:
        return self.linear(theirs, ours)

    def left(self) -> list[str]:
        """Sinusoids apart, which older versions store."""
        return sorted(name for name in self._left if "embed_positions" not in name)
