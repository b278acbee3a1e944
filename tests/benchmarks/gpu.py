"""`make bench-gpu`: training and translating on a GPU, with made-up sentences and random weights, as a table.

It needs no data and no other preparation. Without a GPU it runs a small network on the processor, which shows that it
works and says nothing about a GPU.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from dragoman.model.config import ArchitectureConfig, VocabularyShape
from dragoman.model.decoding.decoders.torch_decoder import TorchDecoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.loading import default_slots, device_memory
from dragoman.model.decoding.request import Request
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.network.kinds import new_network
from dragoman.model.network.operations import TorchOperations
from dragoman.training.config import RunConfig
from dragoman.training.intake.speed import measure_speed
from dragoman.training.learning import loss, objective
from dragoman.training.learning.native.operations import fastest_operations

MEAN_LENGTH = 25
SECONDS = 20.0
FILES = {"en": "made-up", "de": "made-up"}


@dataclass(frozen=True, slots=True)
class Size:
    """A network, and how much work it gets."""

    name: str
    architecture: dict[str, Any]
    vocabulary: int
    batch_tokens: int
    sentences: int
    slots: tuple[int, ...]
    seconds: float


BASE: dict[str, Any] = {"d_model": 512, "d_ff": 2048, "num_heads": 8, "num_encoder_layers": 6, "num_decoder_layers": 6}
BIG: dict[str, Any] = {"d_model": 1024, "d_ff": 4096, "num_heads": 16, "num_encoder_layers": 6, "num_decoder_layers": 6}
SMALL: dict[str, Any] = {"d_model": 64, "d_ff": 128, "num_heads": 2, "num_encoder_layers": 2, "num_decoder_layers": 2}
ON_GPU = (
    Size("base", BASE, 32_000, 25_000, 4096, (64, 256, 1024), SECONDS),
    Size("big", BIG, 32_000, 25_000, 2048, (256,), SECONDS),
)
ON_PROCESSOR = (Size("small", SMALL, 1000, 1024, 32, (16,), 1.0),)


def main() -> int:
    """Prints the table."""
    console, has_gpu = Console(width=120), torch.cuda.is_available()
    device = torch.device("cuda" if has_gpu else "cpu")
    if has_gpu:
        num_bytes = device_memory("cuda") or 0
        name = f"{torch.cuda.get_device_name()}, {num_bytes / 2**30:.0f} GiB"
        console.print(f"{name}; torch {torch.__version__}; {default_slots('cuda', 1, num_bytes)} slots by default")
    else:
        console.print("No GPU was found: a small network on the processor, which says nothing about a GPU.")
    table = Table("network", "what", "how", "speed", "memory")
    for size in ON_GPU if has_gpu else ON_PROCESSOR:
        for how, speed, memory in _training(size, device):
            table.add_row(size.name, "training", how, f"{speed:,.0f} target pieces/s", memory)
        for how, speed, memory in _translating(size, device):
            table.add_row(size.name, "translating, beam 4", how, f"{speed:,.0f} sentences/s", memory)
    console.print(table)
    return 0


def _training(size: Size, device: torch.device) -> Iterator[tuple[str, float, str]]:
    for how, change in (
        ("as it is, bfloat16", _as_it_is),
        ("attention written out", _written_out),
        ("loss in blocks of 512", _in_blocks),
    ):
        config = RunConfig.model_validate(
            {
                "run_folder": "made-up",
                "data": {"directions": ["en-de"], "train": [FILES], "dev": FILES},
                "vocabulary": {"size": size.vocabulary},
                "architecture": size.architecture,
                "optimization": {"batch_tokens": size.batch_tokens},
            }
        )
        with _memory(device) as memory, change():
            speed = measure_speed(config, mean_length=MEAN_LENGTH, seconds=size.seconds)
        yield how, speed.target_pieces / speed.seconds, memory()


def _translating(size: Size, device: torch.device) -> Iterator[tuple[str, float, str]]:
    shape = VocabularyShape(source_size=size.vocabulary, target_size=size.vocabulary, joint=True)
    torch.manual_seed(1)
    network = new_network(ArchitectureConfig(**size.architecture), shape).eval()
    for precision in (torch.bfloat16, torch.float32):
        network = network.to(device, precision)
        for slots in size.slots:
            with _memory(device) as memory:
                seconds = _translate(TorchDecoder(network, max_slots=slots), size)
            yield f"{slots} slots, {str(precision).removeprefix('torch.')}", size.sentences / seconds, memory()


def _translate(decoder: TorchDecoder, size: Size) -> float:
    """The seconds that the sentences take. Random weights do not end a sentence, so each ends at its source's
    length."""
    random = np.random.default_rng(1)
    lengths = random.gamma(2.0, MEAN_LENGTH / 2, size.sentences).clip(2, 120).astype(int).tolist()
    options = SearchOptions(beam_size=4)
    requests = [
        Request(number, tuple(random.integers(4, size.vocabulary, length).tolist()), options, length)
        for number, length in enumerate(lengths)
    ]
    engine = Engine(decoder)
    _run(engine, requests[: decoder.max_slots // 4])  # prepares kernels and memory
    start = time.monotonic()
    _run(engine, requests)
    return time.monotonic() - start


def _run(engine: Engine, requests: Sequence[Request]) -> None:
    waiting = list(reversed(requests))
    while waiting or engine.num_active:
        engine.admit([waiting.pop() for _ in range(min(engine.free_slots, len(waiting)))])
        engine.step()


@contextmanager
def _memory(device: torch.device) -> Iterator[Callable[[], str]]:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    yield lambda: f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device.type == "cuda" else ""


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _written_out() -> Iterator[None]:
    vars(objective)["fastest_operations"] = lambda device, low_precision: TorchOperations()
    try:
        yield
    finally:
        vars(objective)["fastest_operations"] = fastest_operations


@contextmanager
def _in_blocks() -> Iterator[None]:
    size = loss.DEVICE_LOGITS
    vars(loss)["DEVICE_LOGITS"] = 0
    try:
        yield
    finally:
        vars(loss)["DEVICE_LOGITS"] = size


if __name__ == "__main__":
    sys.exit(main())
