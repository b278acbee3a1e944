"""`dragoman shortlist`, and `--shortlist` of the other commands."""

import shutil
from pathlib import Path

from tests.commands.running import Run, assert_refused, write_lines


def test_shortlist_goes_into_the_bundle_and_says_what_it_covers(
    run: Run, tiny_bundle: Path, tiny_config: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    corpus = ["--source", tiny_config.parent / "train.en", "--target", tiny_config.parent / "train.de"]
    command = ["shortlist", bundle, "--from", "en", "--to", "de", *corpus]
    outcome = run(*command, "--frequent", 64, "--best", 20, "--vmap", tmp_path / "vmap.txt")
    assert outcome.status == 0, outcome
    assert outcome.output.startswith("en→de: ")
    assert "of 400 pieces per sentence; they cover 100.0% of the pieces of 6 held-out translations" in outcome.output
    assert (bundle / "shortlist.safetensors").exists()
    assert (tmp_path / "vmap.txt").exists()
    assert run(*command, "--frequent", 63).status == 2  # a beam of 32 wants 64 extensions
    assert_refused(run(*command[:-1], tmp_path / "none.de"), "none.de: no such file")


def test_a_shortlist_is_used_where_it_is_wanted(
    run: Run, tiny_bundle: Path, tiny_sentences: list[str], tmp_path: Path
) -> None:
    source = write_lines(tmp_path / "in.en", *tiny_sentences[::2])
    target = write_lines(tmp_path / "in.de", *tiny_sentences[1::2])
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    translate = ["translate", "--model", bundle, "--to", "de", "--precision", "float32", *tiny_sentences[:10:2]]
    evaluate = ["evaluate", bundle, "--reference", target, "--source", source, "--to", "de"]
    for command in (translate, evaluate, ["serve", bundle]):
        assert_refused(run(*command, "--shortlist"), "shortlist.safetensors: the bundle has no shortlist")
    assert run("shortlist", bundle, "--from", "en", "--to", "de", "--source", source, "--target", target).status == 0
    assert run(*translate, "--shortlist").output != run(*translate).output  # for the network is made of chance
    assert run(*evaluate, "--shortlist").status == 0
