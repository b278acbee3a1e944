"""`dragoman explain`."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands.running import Run, assert_refused

TEXT = "The dog sees the house."


def read_pairs(page: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="pairs">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    pairs: list[dict[str, Any]] = json.loads(found[1])
    return pairs


@pytest.fixture
def page(run: Run, tiny_bundle: Path, tmp_path: Path) -> str:
    output = tmp_path / "page.html"
    command = ["explain", f"{TEXT} The dog likes a tree.", "--from", "en", "--to", "de"]
    outcome = run(*command, "--model", tiny_bundle, "--output", output)
    assert outcome.status == 0, outcome.errors
    assert outcome.output == f"{output}: written\n"
    return output.read_text()


def test_the_page_has_the_numbers_of_each_sentence(page: str) -> None:
    first, second = read_pairs(page)
    assert first["source"] == TEXT
    assert second["source"] == "The dog likes a tree."
    explanation = first["explanation"]
    num_source, num_written = len(explanation["sourcePieces"]), len(explanation["written"])
    assert explanation["written"][-1] == "</s>"
    for layer in explanation["cross"]:
        np.testing.assert_allclose(np.sum(layer, axis=2), 1, atol=0.02)
        assert np.shape(layer)[1:] == (num_written, num_source)
    assert np.shape(first["vectors"]["encoder"][0][0]["keys"])[0] == num_source


def test_the_page_needs_nothing_else_and_runs_nothing_else(page: str) -> None:
    assert not re.search(r'(src|href)="', page)
    assert not re.search(r"^import ", page, re.MULTILINE)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    style, script = (
        re.search("<style>(.*?)</style>", page, re.DOTALL),
        re.search('module">(.*?)</script>', page, re.DOTALL),
    )
    assert policy is not None
    assert style is not None
    assert script is not None
    for name, content in (("style", style[1]), ("script", script[1])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in policy[1] + ";"
    assert policy[1].startswith("default-src 'none'")


def test_a_given_translation_is_looked_at(run: Run, tiny_bundle: Path) -> None:
    command = ["explain", TEXT, "--to", "de", "--from", "en", "--translation", "Baum", "--model", tiny_bundle]
    (pair,) = read_pairs(run(*command, "--output", "-").output)
    assert pair["target"] == "Baum"
    assert pair["explanation"]["written"] == ["▁Baum", "</s>"]


def test_texts_are_no_html(run: Run, tiny_bundle: Path) -> None:
    hostile = "</script><b>"
    command = ["explain", hostile, "--to", "de", "--from", "en", "--translation", hostile, "--model", tiny_bundle]
    page = run(*command, "--output", "-").output
    (pair,) = read_pairs(page)
    assert pair["source"] == pair["target"] == hostile
    assert page.count("</script>") == 2
    assert "<b>" not in page


def test_what_cannot_be_explained_is_said(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    command = ["--from", "en", "--to", "de", "--model", tiny_bundle, "--output", output]
    assert_refused(run("explain", " ", *command), "TEXT is blank")
    assert_refused(run("explain", 21 * "A dog sees. ", *command), "TEXT has 21 sentences, but at most 20 fit a page")
    assert_refused(run("explain", TEXT, *command, "--translation", ""), "--translation is blank: leave it out")
    assert not output.exists()
    output.write_text("mine")
    assert_refused(run("explain", TEXT, *command), "page.html: exists already")
    assert run("explain", TEXT, *command, "--overwrite").status == 0
