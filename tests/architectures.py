"""Architectures and networks as the kind that a test knows them to be."""

from dragoman.model.config import Architecture, ArchitectureConfig
from dragoman.model.network.network import Network
from dragoman.model.network.transformer import Transformer


def transformer_shape(architecture: Architecture) -> ArchitectureConfig:
    assert isinstance(architecture, ArchitectureConfig)
    return architecture


def as_transformer(network: Network) -> Transformer:
    assert isinstance(network, Transformer)
    return network
