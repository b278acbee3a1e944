"""Shared by the tests of the commands."""

from pathlib import Path

import pytest

from tests.commands.running import run, write_lines

__all__ = ["run"]  # a fixture


TINY_RUN = """
[data]
directions = ["en-de"]
max_length = 20
[[data.train]]
en = "{folder}/train.en"
de = "{folder}/train.de"
[data.dev]
en = "{folder}/train.en"
de = "{folder}/train.de"
[vocabulary]
size = 300
[architecture]
d_model = 8
d_ff = 8
num_heads = 2
num_encoder_layers = 1
num_decoder_layers = 1
max_source_length = 40
max_target_length = 40
[optimization]
max_updates = 2
"""


@pytest.fixture
def tiny_config(tmp_path: Path) -> Path:
    write_lines(tmp_path / "train.en", *["one small house", "a big tree", "two old cars"] * 20)
    write_lines(tmp_path / "train.de", *["ein kleines Haus", "ein großer Baum", "zwei alte Autos"] * 20)
    config = tmp_path / "tiny.toml"
    config.write_text(f'run_folder = "{tmp_path / "run"}"\n' + TINY_RUN.format(folder=tmp_path), encoding="utf-8")
    return config
