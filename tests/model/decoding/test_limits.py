"""What an engine can hold is the same whether it is read off the bundle or off the decoder."""

import json
import shutil
from pathlib import Path

from dragoman.model.decoding.limits import EngineLimits
from dragoman.model.decoding.loading import open_model
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from tests.pieces import VOCABULARY


def test_of_a_bundle_and_of_an_ensemble(tiny_bundle: Path, tmp_path: Path) -> None:
    """What is refused is tested with the engines."""
    shorter = tmp_path / "shorter"
    shutil.copytree(tiny_bundle, shorter)
    config = json.loads((shorter / "config.json").read_text())
    config["architecture"] |= {"max_source_length": 40, "max_target_length": 50}
    (shorter / "config.json").write_text(json.dumps(config))
    for folders, source, target in (([tiny_bundle], 64, 64), ([tiny_bundle, shorter], 40, 50)):
        model = open_model(folders)
        limits = EngineLimits.of_bundle(model.info, 1000)
        assert limits == EngineLimits.of_decoder(model.load_decoder(max_slots=1), 1000)
        assert limits == EngineLimits(source, target, model.vocabulary.shape, 1000)


def test_a_whole_translation_may_fill_the_target() -> None:
    limits = EngineLimits(10, 4, VOCABULARY)
    limits.check(Request(0, (6,), SearchOptions(), 4, (6, 7, 8, 3)))
