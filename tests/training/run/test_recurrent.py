"""Recurrent networks from the corpus to the service: they learn, go on after a break, translate, and say what they
cannot do."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from dragoman.model.config import RecurrentConfig
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.loading import open_model
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, InvalidTextError
from dragoman.model.network.kinds import new_network
from dragoman.server.client import Client
from dragoman.training.config import RunConfig, load_run_config
from dragoman.training.report.comparison import compare_runs, comparison_table
from dragoman.training.report.measured_run import read_runs
from dragoman.training.report.page import make_page
from dragoman.training.report.run_record import read_run
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.trainer import Trainer
from dragoman.training.run.training_run import train
from dragoman.translation.scoring.explaining import Explainer
from dragoman.translation.scoring.scorer import Scorer
from dragoman.translation.translator import Translator
from tests.conftest import EN_DE
from tests.model.decoding.engines.engines import finished_by_step
from tests.server.running import running_server
from tests.training.run.test_trainer import Runner, assert_bit_equal, no_validation, state_of, weights_of
from tests.training.run.test_training_run import CONFIG, ROOT
from tests.training.tiny import FILES, VOCABULARY, copy_corpus, write_config

ATTENTIONS = ("none", "additive", "multiplicative")


def make_trainer(folder: Path, corpus: Any, **tables: Any) -> Trainer:
    """A run of a tiny recurrent network."""
    architecture = {"kind": "recurrent", "d_model": 16, "dropout": 0.0, **tables.pop("architecture")}
    optimization = {"batch_tokens": 64, "warmup_updates": 4, "precision": "float32"} | tables.pop("optimization", {})
    config = RunConfig.model_validate(
        {
            "run_folder": folder,
            "data": {"directions": ["en-de"], "max_length": 20, "train": [FILES], "dev": FILES},
            "architecture": architecture,
            "optimization": optimization,
            **tables,
        }
    )
    torch.manual_seed(1)
    network = new_network(config.architecture, VOCABULARY)
    checkpoints = CheckpointFolder(folder / "checkpoints")
    return Trainer(config, network, corpus, checkpoints, validate=no_validation, offer=lambda *_: False)


@pytest.mark.parametrize(("attention", "cell"), [("none", "lstm"), ("additive", "gru"), ("multiplicative", "lstm")])
def test_learns_a_tiny_corpus_by_heart(attention: str, cell: str, tmp_path: Path) -> None:
    corpus = copy_corpus(12, longest=6)
    trainer = make_trainer(
        tmp_path,
        corpus,
        architecture={"attention": attention, "cell": cell, "d_model": 32},
        optimization={"max_updates": 150, "learning_rate": 1e-2, "batch_tokens": 128, "warmup_updates": 20},
        objective={"label_smoothing": 0.0},
        stability={"spike_factor": 0},
    )
    Runner(tmp_path).run(trainer)
    sources = [tuple(corpus.source.pieces[a:b].tolist()) for a, b in pairwise(corpus.source.offsets)]
    engine = Engine(TorchDecoder(trainer.network.eval(), max_slots=5))
    waiting = [Request(i, source, SearchOptions(beam_size=1), 20) for i, source in enumerate(sources)]
    found: dict[int, tuple[int, ...]] = {}
    while waiting or engine.num_active:
        engine.admit([waiting.pop() for _ in range(min(len(waiting), engine.free_slots))])
        found |= {finished.id: finished.hypotheses[0].token_ids for finished in finished_by_step(engine)}
    assert [found[i] for i in range(len(sources))] == [source[:-1] for source in sources]


# Of width 32 every unit fills a processor's registers, so that the C++ library goes over all positions.
@pytest.mark.parametrize(
    ("attention", "cell", "width", "guided_alignment"),
    [
        ("none", "lstm", 16, 0.0),
        ("additive", "lstm", 16, 0.5),
        ("multiplicative", "lstm", 16, 0.5),
        ("none", "gru", 32, 0.0),
        ("additive", "lstm", 32, 0.0),
        ("multiplicative", "gru", 32, 0.0),
    ],
)
def test_a_resumed_run_equals_an_undisturbed_one(
    attention: str, cell: str, width: int, guided_alignment: float, tmp_path: Path
) -> None:
    corpus = copy_corpus(45, longest=6)
    tables: dict[str, Any] = {
        "architecture": {"attention": attention, "cell": cell, "d_model": width, "dropout": 0.2},
        "objective": {"r_drop": 1.0, "guided_alignment": guided_alignment},
        "optimization": {"max_updates": 4, "checkpoint_every": 1, "precision": "bfloat16", "optimizer": "muon"},
    }
    whole = make_trainer(tmp_path / "whole", corpus, **{key: dict(value) for key, value in tables.items()})
    before = weights_of(whole)
    Runner(tmp_path).run(whole)
    assert all(not torch.equal(before[name], weight) for name, weight in weights_of(whole).items())
    resumed = make_trainer(tmp_path / "resumed", corpus, **{key: dict(value) for key, value in tables.items()})
    resumed.checkpoints.folder.mkdir(parents=True)
    resumed.checkpoints.path(2).write_bytes(whole.checkpoints.path(2).read_bytes())
    resumed.resume(2)
    assert_bit_equal(state_of(Runner(tmp_path).run(resumed)), state_of(whole))


def train_tiny(folder: Path, attention: str) -> Path:
    """The best bundle of a whole run."""
    path = folder / f"{attention}.toml"
    text = CONFIG.replace("d_ff = 32\nnum_heads = 2\n", f'kind = "recurrent"\nattention = "{attention}"\n')
    write_config(path, f'run_folder = "{folder / attention}"\n{text}')
    return train(load_run_config(path))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {attention: train_tiny(tmp_path_factory.mktemp("runs"), attention) for attention in ATTENTIONS}


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_the_report_shows_its_attention_or_says_that_it_has_none(attention: str, bundles: dict[str, Path]) -> None:
    page = make_page(read_run(bundles[attention].parent))
    assert "Where it errs" in page
    assert ("This network has no attention" in page) == (attention == "none")
    assert ('<figure class="attention">' in page) == (attention != "none")


def test_kinds_of_attention_are_compared(bundles: dict[str, Path]) -> None:
    table = comparison_table(compare_runs(read_runs(bundle.parent for bundle in bundles.values())))
    assert "dev BLEU en→de" in table
    none, *others = table.splitlines()[2:]
    assert none.startswith("| none ")
    for name, row in zip(ATTENTIONS[1:], others, strict=True):
        assert f'architecture.attention = "{name}"' in row


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_the_service_translates_with_it(attention: str, bundles: dict[str, Path]) -> None:
    translator = Translator.load(bundles[attention], max_slots=4)
    assert isinstance(translator.info.architecture, RecurrentConfig)
    sentence = "The dog sees the house, write to a.b@example.com."
    with running_server(translator) as address, Client(address) as client:
        found = client.translate([sentence, "The tree.", ""], to="de", n_best=2)
        assert "a.b@example.com" in found[0].text
        assert len(found[1].hypotheses) == 2
        (score,) = client.score([("The dog.", "Der Hund.")], to="de")
        assert score.log_prob < 0
        if attention == "none":
            with pytest.raises(InvalidTextError, match="the network has no attention"):
                client.translate("The dog.", to="de", return_alignment=True)
        else:
            (translation,) = client.translate("The dog.", to="de", return_alignment=True)
            assert translation.hypotheses[0].alignment


def test_what_needs_attention_is_refused_without_it(bundles: dict[str, Path]) -> None:
    bundle = bundles["none"]
    with pytest.raises(InvalidInputError, match="the network has no attention, which coverage_penalty needs"):
        Translator.load(bundle).translate("The dog.", "de", coverage_penalty=0.2)
    with pytest.raises(InvalidInputError, match="the network has no attention, which alignment"):
        Scorer.load(bundle).score([("The dog.", "Der Hund.")], "de", return_attention=True)
    with pytest.raises(InvalidInputError, match="has no attention, so there is nothing to look at"):
        Explainer(open_model([bundle]))
    with pytest.raises(InvalidInputError, match="one has attention and one has not"):
        open_model([bundle, bundles["additive"]])


def test_attention_is_explained(bundles: dict[str, Path]) -> None:
    found = Explainer(open_model([bundles["additive"]])).explain("The dog.", "Der Hund.", EN_DE)
    fields = found.fields()
    assert fields["encoder"] == fields["decoder"] == []
    ((weights,),) = fields["cross"]
    assert len(weights) == len(found.read)
    assert sum(weights[0]) == pytest.approx(1, abs=0.01)


def test_without_torch_one_line_says_what_to_install(bundles: dict[str, Path]) -> None:
    code = f"""
import sys
sys.modules["torch"] = None
from dragoman.translation.translator import Translator
Translator.load({str(bundles["additive"])!r})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode
    line = done.stderr.splitlines()[-1]
    assert line.endswith("is a recurrent network, which needs torch: pip install 'dragoman[train]'"), done.stderr


def test_options_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    write_config(path, f'run_folder = "{tmp_path}"\n{CONFIG}')
    with pytest.raises(InvalidInputError, match=r'architecture\.d_ff: is for the kind "transformer"'):
        load_run_config(path, ["architecture.kind=recurrent"])
    with pytest.raises(InvalidInputError, match=r'architecture\.cell: is for the kind "recurrent"'):
        load_run_config(path, ["architecture.cell=gru"])
