"""The network that an architecture describes."""

from dragoman.model.config import (
    Architecture,
    ArchitectureConfig,
    LanguageModelConfig,
    RecurrentConfig,
    VocabularyShape,
)
from dragoman.model.network.language_model import LanguageModel
from dragoman.model.network.network import Network
from dragoman.model.network.recurrent import RecurrentNetwork
from dragoman.model.network.transformer import Transformer


def new_network(architecture: Architecture, vocabulary: VocabularyShape) -> Network:
    """A network of random weights."""
    match architecture:
        case ArchitectureConfig():
            return Transformer(architecture, vocabulary)
        case RecurrentConfig():
            return RecurrentNetwork(architecture, vocabulary)
        case LanguageModelConfig():
            return LanguageModel(architecture, vocabulary)
        case _:
            raise TypeError(f"there is no network for {type(architecture).__name__}")
