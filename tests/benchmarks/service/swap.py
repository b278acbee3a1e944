"""A model is replaced under load: the folder by another one, and the link to it by another one. Every answer is checked
against the weights that it says it comes from."""

import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from safetensors.numpy import load_file, save_file

from dragoman.model.bundle import WEIGHTS_FILE, bundle_revision, find_bundle
from dragoman.server.client import Client
from tests.benchmarks.service.bench import Bench
from tests.benchmarks.service.outcomes import Outcome
from tests.server_process import Tables

DEFAULT_SECONDS = 60.0
RELOAD_SECONDS = 0.5
PATIENCE = 60.0
CHANGED_TENSOR = "decoder_layers.0.feed_forward_residual.norm.weight"


def run(bench: Bench) -> list[Outcome]:
    seconds = bench.seconds or DEFAULT_SECONDS
    folder = bench.folder / "swap-bundles"
    shutil.rmtree(folder, ignore_errors=True)
    first, second = folder / "first", folder / "second"
    shutil.copytree(find_bundle(bench.bundle), first)
    _copy_with_other_weights(first, second)
    references = [bench.write_reference(bench.folder / "reference.json", first)]
    references.append(bench.write_reference(bench.folder / "reference-second.json", second, references[0]))
    served = folder / "served"
    served.symlink_to(first)
    tables: Tables = {"server": {"reload_seconds": RELOAD_SECONDS}, "models": [{"bundle": str(served)}]}
    with bench.serve("swap", tables) as server, bench.mixed_load(server.address, references, seconds) as finish:
        durations = []
        with Client(server.address) as client:
            for step in _steps(folder, served):
                time.sleep(seconds / 6)
                step()
                durations.append(_wait_for_revision(client, bundle_revision(served)))
        tally = finish()
    num_late = sum(duration >= PATIENCE for duration in durations)
    bad = tally.num_unexpected
    return [
        Outcome("swap", "calls", tally.num_calls, "", details=tally.to_json()),
        Outcome("swap", "translations checked against their revision", tally.num_texts, ""),
        Outcome("swap", "failed, lost, doubled or wrong", bad, "", goal="0", is_met=not bad),
        Outcome("swap", "swaps: by link, by folder", len(durations), "", goal="all done", is_met=not num_late),
        Outcome("swap", f"from the swap to the new revision, looked for every {RELOAD_SECONDS} s", max(durations), "s"),
    ]


def _copy_with_other_weights(bundle: Path, copy: Path) -> None:
    """Weights that translate some texts otherwise."""
    shutil.copytree(bundle, copy)
    tensors = load_file(bundle / WEIGHTS_FILE)
    tensors[CHANGED_TENSOR] = tensors[CHANGED_TENSOR] * 1.25
    save_file(tensors, copy / WEIGHTS_FILE)


def _steps(folder: Path, served: Path) -> Sequence[Callable[[], object]]:
    """Swaps in turn."""

    def flip_link_to(name: str) -> None:
        link = folder / "new-link"
        link.symlink_to(folder / name)
        link.replace(served)

    def replace_by_copy_of(name: str) -> None:
        """For a moment there is nothing: a folder with files cannot be renamed over another one."""
        copy = shutil.copytree(folder / name, folder / "new-folder")
        served.rename(folder / f"old-{name}")
        copy.rename(served)

    return [
        partial(flip_link_to, "second"),
        partial(flip_link_to, "first"),
        partial(replace_by_copy_of, "second"),
        partial(replace_by_copy_of, "first"),
    ]


def _wait_for_revision(client: Client, wanted: str) -> float:
    """Seconds until the server serves it."""
    started = time.monotonic()
    while time.monotonic() < started + PATIENCE:
        if client.list_models()[0].revision == wanted:
            return time.monotonic() - started
        time.sleep(0.05)
    return PATIENCE
