"""Shared by all tests."""

import signal
from pathlib import Path

import pytest
import torch

from dragoman.model.bundle import BundleConfig, BundleScore, write_bundle
from dragoman.model.config import ArchitectureConfig, Direction
from dragoman.model.network.network import num_parameters
from dragoman.model.network.storage import pack_weights
from dragoman.model.network.transformer import Transformer
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from tests.pieces import EOS_ID

# The tests' networks are tiny: a second thread would only wait for the first, and disturb whatever else is running.
torch.set_num_threads(1)

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a shell's background: commands that tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

EN_DE, DE_EN = Direction("en", "de"), Direction("de", "en")


@pytest.fixture(scope="session")
def tiny_sentences() -> list[str]:
    """A few dozen sentences, English and German in turn."""
    pairs = [
        (f"The {noun} {verb} the {other}.", f"{german} {german_verb} {german_other}.")
        for noun, german in [("dog", "Der Hund"), ("woman", "Die Frau"), ("child", "Das Kind")]
        for verb, german_verb in [("sees", "sieht"), ("looks for", "sucht"), ("likes", "mag")]
        for other, german_other in [("house", "das Haus"), ("bridge", "die Brücke"), ("tree", "den Baum")]
    ]
    return [sentence for pair in pairs for sentence in pair]


@pytest.fixture(scope="session")
def tiny_vocabulary(tiny_sentences: list[str]) -> Vocabulary:
    """A joint vocabulary with byte fallback and the tags of English and German."""
    model = train_piece_model(tiny_sentences, PieceModelOptions(size=400, type="bpe"), languages=["en", "de"])
    return Vocabulary(model, model)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle named "tiny" that loads in an instant and translates en→de and de→en into nonsense, always
    the same. A test that changes it works on a copy."""
    architecture = ArchitectureConfig(
        d_model=16,
        d_ff=32,
        num_heads=2,
        d_key=8,
        d_value=8,
        num_encoder_layers=1,
        num_decoder_layers=1,
        tied_embeddings="none",
        max_source_length=64,
        max_target_length=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(20)
        network = Transformer(architecture, tiny_vocabulary.shape)
        with torch.no_grad():
            for parameter in network.parameters():  # sharp enough for the translations to differ
                parameter.add_(0.5 * torch.randn_like(parameter))
            network.target_embedding.weight.mul_(0.3)  # the source counts for more than the piece before
            network.output_projection.weight[EOS_ID].mul_(1.5)  # some end before they are cut off
            network.output_projection.weight[6:262] = 0  # words rather than the single bytes
    config = BundleConfig(
        name="tiny",
        directions=(EN_DE, DE_EN),
        architecture=architecture,
        vocabulary=tiny_vocabulary.shape,
        storage="int8",
        num_parameters=num_parameters(network),
        scores=(
            BundleScore(direction=EN_DE, test_set="made-up", metric="BLEU", score=1.25, signature="nrefs:1|case:mixed"),
        ),
        provenance={"description": "random weights"},
    )
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    write_bundle(folder, config, tiny_vocabulary, pack_weights(network, config.storage), "# tiny\n\nRandom weights.\n")
    return folder
