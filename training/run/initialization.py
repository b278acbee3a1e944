"""Fine-tuning and growth: a run's initial bundle, and the configuration inherited from it."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.model.bundle import WEIGHTS_FILE, BundleConfig, file_revision, find_bundle, read_config, read_vocabulary
from dragoman.model.codec import Codec
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.model.known_words import read_known_words
from dragoman.model.parameters import OUTPUT_BIAS

if TYPE_CHECKING:
    from torch import Tensor

    from dragoman.model.network.network import Network

_FREE_KEYS = {"dropout", "attention_dropout", "feed_forward_dropout"}
"""Keys of the architecture that change no weight's shape or meaning."""

_MIXER = "decoder_mixer"
"""The key of the sublayer that may be replaced by another one, which begins with random weights."""

_LEAST_PIECES = 300
"""The least vocabulary.size; an imported vocabulary, of letters perhaps, may have fewer, and is not learnt."""

_DEPTHS = {"encoder_layers": "num_encoder_layers", "decoder_layers": "num_decoder_layers"}
"""Prefix of a stack's weights → the key of its depth, which may be less than the bundle's."""

_OUTPUTS = ("self_attention.output.", "ssru.input.", "cross_attention.output.", "feed_forward.outer.")
"""Prefixes of the weights without which a sublayer adds nothing."""

_LAYER_WEIGHT = re.compile(rf"({'|'.join(_DEPTHS)})\.(\d+)\.(.+)")


def inherit_from_bundle(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration, completed by the architecture and the vocabulary's shape of its `initialization.bundle`,
    if there is one.

    Raises NotFoundError if there is no such bundle, InvalidInputError naming a key that contradicts it.
    """
    table = tree.get("initialization")
    name = table.get("bundle") if isinstance(table, dict) else None
    architecture = tree.get("architecture", {})
    if not isinstance(table, dict) or not isinstance(name, str) or not isinstance(architecture, dict):
        return dict(tree)  # nothing to inherit, or a wrong type, which reading the configuration reports
    info = read_config(_find(name))
    inherited = asdict(info.architecture)
    for key, value in architecture.items():
        if key not in inherited or key in {*_FREE_KEYS, _MIXER} or value == inherited[key]:
            continue
        grows = getattr(info.architecture, "normalization", "") == "pre" and key in {*_DEPTHS.values(), "d_ff"}
        shrinks = key in _DEPTHS.values()
        if isinstance(value, int) and (grows if value > inherited[key] else shrinks):
            continue  # reading the configuration refuses what is below 1
        more_or_fewer = " or ".join(["more"] * grows + ["fewer"] * shrinks)
        raise InvalidInputError(
            f"architecture.{key}: is {value}, but the bundle {name} has {inherited[key]}: leave the key out"
            + (f", or say {more_or_fewer}" if more_or_fewer else "")
        )
    shape = info.vocabulary
    own = tree.get("vocabulary", {})
    keeps = table.get("vocabulary", "keep") == "keep"
    if keeps and "vocabulary" in tree:
        raise InvalidInputError(
            f"vocabulary: the run begins with the bundle {name} and keeps its vocabulary: leave this table out, or say "
            'initialization.vocabulary = "extend" or "replace"'
        )
    if not isinstance(own, dict):
        return dict(tree)
    if own.get("joint", shape.joint) != shape.joint:
        raise InvalidInputError(
            f"vocabulary.joint: is {own['joint']}, but the bundle {name} has {shape.joint}: leave the key out"
        )
    own = {"size": max(shape.source_size, _LEAST_PIECES)} if keeps else own
    return {**tree, "architecture": inherited | architecture, "vocabulary": {**own, "joint": shape.joint}}


def _find(name: str) -> Path:
    try:
        return find_bundle(name)
    except NotFoundError as error:
        raise NotFoundError(f"initialization.bundle: {error}") from error


class InitialBundle:
    """The bundle that a run begins with."""

    def __init__(self, name: str) -> None:
        """Raises NotFoundError, or InvalidInputError naming the file at fault."""
        self.name = name
        self.folder = _find(name)
        self.info: BundleConfig = read_config(self.folder)
        self.vocabulary: Codec = read_vocabulary(self.folder, self.info)
        self.known_words = read_known_words(self.folder)

    def check_directions(self, directions: Sequence[Direction]) -> None:
        """Raises InvalidInputError for a direction into a language that the vocabulary has no tag for."""
        for direction in directions:
            try:
                self.vocabulary.frame(direction)
            except NotFoundError as error:
                known = ", ".join(sorted({known.target for known in self.info.directions}))
                raise InvalidInputError(
                    f'data.directions: {direction}: the vocabulary of the bundle {self.name} has no tag for "'
                    f'{direction.target}", only for {known}; other languages need initialization.vocabulary = "extend" '
                    'or "replace"'
                ) from error

    def initial_weights(self, network: "Network", vocabulary: Codec, *, seed: int) -> "dict[str, Tensor]":
        """The initial state of a network, by name as in its `state_dict()`.

        network: of random weights. It has the bundle's architecture, or fewer layers, some of the bundle's (see
        `spread_evenly`), or more layers or a larger d_ff, which add nothing to the bundle's function yet: a new layer
        is a copy of the one before, whose output projections are zero, and new units of a layer's feed-forward network
        are random, but their output is zero. Its decoder may mix by an SSRU instead of self-attention, or the other way
        round: those sublayers are random. vocabulary: the network's; see `transfer_embeddings` if it is another one.
        """
        from dragoman.model.network.storage import load_network
        from dragoman.training.vocabulary.transfer import transfer_embeddings

        theirs = load_network(self.folder, self.info).state_dict()
        weights = {}
        for name, initial in network.state_dict().items():
            match = _LAYER_WEIGHT.fullmatch(name)
            if match is None:
                weights[name] = theirs[name]
                continue
            key = _DEPTHS[match[1]]
            layer, is_new = find_layer(
                int(match[2]), getattr(self.info.architecture, key), getattr(network.config, key)
            )
            there = f"{match[1]}.{layer}.{match[3]}"
            weight = _widen(theirs[there], initial, match[3]) if there in theirs else initial
            weights[name] = weight.new_zeros(weight.shape) if is_new and match[3].startswith(_OUTPUTS) else weight
        sides = {"source_embedding": "source", "target_embedding": "target", "output_projection": "target"}
        if vocabulary.files() != self.vocabulary.files():
            moved: dict[tuple[int, int], Tensor] = {}
            for name, side in sides.items():
                old, new = getattr(self.vocabulary, side), getattr(vocabulary, side)
                matrix = theirs[f"{name}.weight"]
                shared = (id(old), matrix.data_ptr())  # tied matrices stay alike
                if shared not in moved:
                    moved[shared] = transfer_embeddings(matrix, old, new, seed=seed)
                weights[f"{name}.weight"] = moved[shared]
            if OUTPUT_BIAS in theirs:
                biases = theirs[OUTPUT_BIAS].unsqueeze(1)
                moved_biases = transfer_embeddings(biases, self.vocabulary.target, vocabulary.target, seed=seed)
                weights[OUTPUT_BIAS] = moved_biases.squeeze(1)
        return weights

    def checksum(self) -> dict[str, str]:
        """The checksum of the weights' file, by its path as configured, like those of the corpora; a shipped bundle's
        name stands for its path, which depends on the installation."""
        return {str(Path(self.name) / WEIGHTS_FILE): file_revision(self.folder / WEIGHTS_FILE)}


def _widen(weight: "Tensor", initial: "Tensor", name: str) -> "Tensor":
    """A weight of a feed-forward network with more units: the new ones as they are initially, but without effect."""
    if weight.shape == initial.shape:
        return weight
    widened = initial.clone()
    if name.startswith("feed_forward.outer."):
        widened.zero_()
    widened[tuple(map(slice, weight.shape))] = weight
    return widened


def find_layer(layer: int, num_theirs: int, num_ours: int) -> tuple[int, bool]:
    """The layer of a stack of num_theirs layers that gives its weights to a layer of one of num_ours, and whether that
    is a new one beside the layer that goes on with them."""
    if num_ours <= num_theirs:
        return spread_evenly(num_theirs, num_ours)[layer], False
    places = spread_evenly(num_ours, num_theirs)
    return bisect_right(places, layer) - 1, layer not in places


def spread_evenly(num_layers: int, num_kept: int) -> list[int]:
    """The layers of a deeper stack that initialize a shallower one: the first, the last, and others evenly between; for
    a single layer, the first (shrink and fine-tune: Shleifer and Rush 2020).

    num_kept: 1 to num_layers. Returns [num_kept] increasing numbers from 0.
    """
    if num_kept == 1:
        return [0]
    return [round(index * (num_layers - 1) / (num_kept - 1)) for index in range(num_kept)]
