"""`dragoman words`."""

import shutil
from pathlib import Path

from tests.commands.running import Run, assert_refused


def test_words_of_a_corpus_go_into_the_bundle(run: Run, tiny_bundle: Path, tiny_config: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    command = ["words", bundle, "--from", "en", "--to", "de", "--source", tiny_config.parent / "train.en"]
    outcome = run(*command, "--target", tiny_config.parent / "train.de")
    assert outcome.status == 0, outcome
    assert "words of en, " in outcome.output
    assert (bundle / "words.safetensors").exists()
    assert_refused(run(*command, "--target", "a", "--target", "b"), "as many --source as --target")
