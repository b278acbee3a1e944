"""`dragoman import` on the command line, and what its bundles are good for."""

from pathlib import Path

import pytest

from dragoman.model.bundle import read_config
from dragoman.translation.translator import Translator
from tests.commands.running import Run, assert_refused, write_lines
from tests.model.foreign.huggingface_models import write_model


def test_a_model_becomes_a_bundle(run: Run, tmp_path: Path) -> None:
    source, bundle = write_model(tmp_path / "source", "m2m100"), tmp_path / "bundle"
    arguments = ("import", source, bundle, "--from", "English", "--to", "fr", "--to", "de", "--licence", "MIT")
    assert f"{bundle}: written, 0.0 M parameters in float32; en→fr, en→de" in run(*arguments).output
    info = read_config(bundle)
    assert (info.name, info.provenance["licence"]) == ("bundle", "Licence: MIT.")
    assert_refused(run(*arguments), "give --overwrite")


def test_bad_input_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(b"PK\x03\x04 not a zip")
    for name, message in (("none", "no such file or folder"), ("model.npz", "no .npz, or damaged")):
        outcome = run("import", tmp_path / name, tmp_path / "bundle", "--from", "en", "--to", "de")
        assert_refused(outcome, message)
        assert not (tmp_path / "bundle").exists()


def test_its_bundle_scores(run: Run, tmp_path: Path) -> None:
    run("import", write_model(tmp_path / "source", "marian"), tmp_path / "bundle", "--from", "en")
    source = write_lines(tmp_path / "source.txt", "the sea is calm")
    outcome = run("score", tmp_path / "bundle", "--to", "de", "--source", source, "--target", source)
    score, log_prob = map(float, outcome.output.split())
    assert log_prob < score < 0


def test_its_bundles_form_ensembles(run: Run, tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", "nllb")
    one, two = tmp_path / "one", tmp_path / "two"
    for bundle in (one, two):
        assert run("import", source, bundle, "--from", "en", "--to", "fr").status == 0
    alone, both = (
        Translator.load(bundles, precision="float32", num_threads=1).translate(
            "the sea is calm", "fr", beam_size=2, max_target_length=10
        )
        for bundles in (one, [one, two])
    )
    assert alone[0].hypotheses[0].text == both[0].hypotheses[0].text
    assert alone[0].hypotheses[0].score == pytest.approx(both[0].hypotheses[0].score, abs=1e-4)
