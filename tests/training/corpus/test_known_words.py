"""Which words a corpus teaches."""

import shutil
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError
from dragoman.model.known_words import read_known_words
from dragoman.training.corpus.known_words import MIN_FREQUENT, add_known_words, taught_words


def test_rare_words_that_are_copied_are_names() -> None:
    sources = ["Ask Mumbai about Tom.", "Mumbai is in August."] + ["Tom is here."] * MIN_FREQUENT
    targets = ["Frag Mumbai nach Tom.", "Mumbai ist im Sommer."] + ["Tom ist hier."] * MIN_FREQUENT
    taught = set(taught_words(sources, targets))
    assert "mumbai" not in taught
    assert {"ask", "about", "tom", "august"} <= taught


def test_words_go_into_a_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    source, target = tmp_path / "a.en", tmp_path / "a.de"
    source.write_text("The dog.\n")
    target.write_text("Der Hund und die Katze.\n")
    assert add_known_words(str(bundle), [(source, target)], ("en", "de")) == {"en": 2, "de": 5}
    assert read_known_words(bundle).knows("Katze", "de")
    with pytest.raises(InvalidInputError, match="between en and fr"):
        add_known_words(str(bundle), [(source, target)], ("en", "fr"))
