"""A language model beside a translation model: loading, translating, the service, and what is refused."""

from pathlib import Path

import pytest

from dragoman.model.decoding.search_options import SearchArguments
from dragoman.model.errors import InvalidInputError, InvalidTextError
from dragoman.model.vocabulary import PieceModelOptions, Vocabulary, train_piece_model
from dragoman.server.client import Client
from dragoman.translation.translator import Translator
from tests.commands.running import Run, assert_refused, run
from tests.language_models import write_language_model
from tests.server.running import running_server

__all__ = ["run"]  # a fixture

TEXT = "The dog sees the house. The tree."


@pytest.fixture
def language_model(tiny_vocabulary: Vocabulary, tmp_path: Path) -> Path:
    return write_language_model(tmp_path / "lm", tiny_vocabulary)


def test_the_weight_of_a_request_decides(tiny_bundle: Path, language_model: Path) -> None:
    plain = Translator.load(tiny_bundle, precision="float32")
    fused = Translator.load(tiny_bundle, precision="float32", language_model=language_model)
    assert fused.revision != plain.revision
    options: SearchArguments = {"beam_size": 2, "max_target_length": 8, "max_retries": 0}
    (alone,) = plain.translate([TEXT], "de", **options)
    (without,) = fused.translate([TEXT], "de", **options)
    assert without.text == alone.text
    with_weight: SearchArguments = {**options, "fusion_weight": 1.0}
    (found,) = fused.translate([TEXT], "de", **with_weight)
    assert found.hypotheses[0].score != pytest.approx(alone.hypotheses[0].score)
    with running_server(fused) as address, Client(address) as client:
        (answer,) = client.translate([TEXT], to="de", source_language="en", **with_weight)
        assert answer.text == found.text
    refused = pytest.raises(InvalidTextError, match="fusion_weight needs a language model, which is not loaded")
    with running_server(plain) as address, Client(address) as client, refused:
        client.translate([TEXT], to="de", source_language="en", fusion_weight=1.0)


def test_what_does_not_go_together(tiny_bundle: Path, language_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="num_replicas must be 0"):
        Translator.load(tiny_bundle, language_model=language_model, num_replicas=1)
    with pytest.raises(InvalidInputError, match="tiny translates: a language model is needed here"):
        Translator.load(tiny_bundle, language_model=tiny_bundle)
    other = train_piece_model(["Ein Hund und ein Haus."] * 9, PieceModelOptions(size=300, type="bpe"), languages=["de"])
    stranger = write_language_model(tmp_path / "stranger", Vocabulary(other, other))
    with pytest.raises(InvalidInputError, match="stranger has other pieces than tiny writes"):
        Translator.load(tiny_bundle, language_model=stranger)


def test_as_a_command(run: Run, tiny_bundle: Path, language_model: Path) -> None:
    command = ["translate", TEXT, "--from", "en", "--to", "de", "--model", tiny_bundle, "--max-target-length", 8]
    assert run(*command, "--language-model", language_model, "--fusion-weight", 0.3).status == 0
    assert_refused(run(*command, "--language-model", language_model), "--language-model BUNDLE and --fusion-weight go")
    assert_refused(run(*command, "--fusion-weight", 0.3), "--language-model BUNDLE and --fusion-weight go together")
