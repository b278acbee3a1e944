"""A language model of random weights, as a bundle."""

from pathlib import Path

import torch

from dragoman.model.bundle import BundleConfig, write_bundle
from dragoman.model.config import Direction, LanguageModelConfig
from dragoman.model.network.language_model import LanguageModel
from dragoman.model.network.network import num_parameters
from dragoman.model.network.storage import pack_weights
from dragoman.model.vocabulary import Vocabulary


def write_language_model(folder: Path, vocabulary: Vocabulary, language: str = "de", seed: int = 4) -> Path:
    architecture = LanguageModelConfig(
        kind="language-model", d_model=16, d_ff=32, num_heads=2, num_layers=1, max_target_length=64
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LanguageModel(architecture, vocabulary.shape)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    info = BundleConfig(
        name=folder.name,
        directions=(Direction(language, language),),
        architecture=architecture,
        vocabulary=vocabulary.shape,
        storage="float32",
        num_parameters=num_parameters(network),
    )
    write_bundle(folder, info, vocabulary, pack_weights(network, "float32"), "")
    return folder
