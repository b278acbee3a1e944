"""`dragoman probe`."""

import shutil
from pathlib import Path

from dragoman.model.bundle import read_config
from tests.commands.running import Run, assert_refused


def test_a_bundle_gets_the_words_that_it_copies(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    outcome = run("probe", bundle, "--to", "German")
    assert outcome.status == 0, outcome
    assert outcome.output.startswith("en→de names: ")
    assert [one.direction.target for one in read_config(bundle).copying] == ["de"]
    assert_refused(run("probe", bundle, "--to", "French"), "translates in no such direction")
    assert_refused(run("probe", tmp_path / "none"), "there is no bundle")
