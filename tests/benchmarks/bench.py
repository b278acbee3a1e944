"""What every workload is given: the inputs, how many rounds, and each side's best settings."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman.model.config import Direction
from tests.benchmarks.inputs import Inputs
from tests.benchmarks.processes import Side

NUM_PROCESSORS = len(os.sched_getaffinity(0))

DRAGOMAN_DEFAULTS: dict[str, Any] = {"precision": "int8"}
CTRANSLATE2_DEFAULTS: dict[str, Any] = {
    "compute_type": "int8",
    "inter_threads": NUM_PROCESSORS,
    "intra_threads": 1,
    "max_batch_size": 32,
    "batch_type": "examples",
}


@dataclass(frozen=True)
class Bench:
    """num_rounds: pairs that count, after one to warm up. load_seconds: of arrivals, a side and round.
    baseline: another checkout."""

    inputs: Inputs
    num_rounds: int
    load_seconds: float
    baseline: Path | None = None

    @property
    def tuned_file(self) -> Path:
        """What `tune` found on this machine: by model and side, the settings that differ from the defaults."""
        return self.inputs.cache / "tuned.json"

    def settings(self, model: str, side: str) -> dict[str, Any]:
        """A side's best settings for the model "base" or "bundled"."""
        defaults = DRAGOMAN_DEFAULTS if side == "dragoman" else CTRANSLATE2_DEFAULTS
        tuned: dict[str, Any] = json.loads(self.tuned_file.read_text()) if self.tuned_file.exists() else {}
        found: dict[str, Any] = tuned.get(model, {}).get(side, {})
        return defaults | found

    @contextmanager
    def dragoman(self, bundle: Path, model: str, **settings: Any) -> Iterator[Side]:
        """Dragoman with a bundle, loaded; `settings` go before the tuned ones."""
        with Side("dragoman_side") as side:
            side.call("load", bundle=str(bundle), **self.settings(model, "dragoman") | settings)
            yield side

    @contextmanager
    def ctranslate2(
        self, bundle: Path, model: str, shortlist: Direction | None = None, **settings: Any
    ) -> Iterator[Side]:
        """CTranslate2 with the same; `shortlist` puts a direction's into its folder, for use_vmap."""
        with Side("ctranslate2_side") as side:
            folder = self.inputs.ctranslate2(bundle, shortlist)
            side.call("load", model=str(folder), **self.settings(model, "ctranslate2") | settings)
            yield side


def rate(outcome: dict[str, Any]) -> float:
    """Target pieces a second."""
    return float(outcome["num_pieces"]) / float(outcome["seconds"])
