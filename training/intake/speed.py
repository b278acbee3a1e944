"""The speed of training on this machine, measured with a configuration's own network on made-up sentences."""

import time
from dataclasses import dataclass

import numpy as np
import torch

from dragoman.model.config import VocabularyShape
from dragoman.model.network.kinds import new_network
from dragoman.model.network.network import num_parameters
from dragoman.training.config import RunConfig
from dragoman.training.corpus.batching import PoolBatches
from dragoman.training.corpus.pairs import EncodedCorpus, EncodedSide, SkippedPairs
from dragoman.training.learning.distributed import World
from dragoman.training.learning.updater import Updater

_NUM_RESERVED = 4
_NUM_SENTENCES = 2000


@dataclass(frozen=True, slots=True)
class Speed:
    """seconds: of an update, the median of a few. undisturbed: the same if no other program used the processors, as far
    as the processor's own time shows. num_parameters: of the network. target_pieces: of an update, on average."""

    seconds: float
    undisturbed: float
    num_parameters: int
    target_pieces: float = 0.0


def measure_speed(config: RunConfig, *, mean_length: float, seconds: float, seed: int = 1) -> Speed:
    """Makes updates for about so many seconds, at least two. mean_length: of sentences, in pieces."""
    size = config.vocabulary.size
    shape = VocabularyShape(source_size=size, target_size=size, joint=config.vocabulary.joint)
    world = World(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    torch.manual_seed(seed)
    network = new_network(config.architecture, shape).to(world.device)
    network.train()
    updater = Updater(config, network, world)
    batches = PoolBatches(_sentences(shape, mean_length, config, seed), config.optimization.batch_tokens, seed=[seed])
    times: list[float] = []
    busy: list[float] = []
    pieces: list[int] = []
    start, update, place = time.monotonic(), 0, 0
    while len(times) < 2 or time.monotonic() - start < seconds:
        update += 1
        planned = [batches[(place + i) % len(batches)] for i in range(updater.num_batches)]
        place += updater.num_batches
        before, before_busy = time.monotonic(), time.process_time()
        updater.accumulate(update, planned)
        updater.step(update)
        if update > 1:  # the first prepares: kernels, memory
            times.append(time.monotonic() - before)
            busy.append(time.process_time() - before_busy)
            pieces.append(sum(batch.num_target_tokens for batch in planned))
    seconds = float(np.median(times))
    shared = float(np.median(busy)) / max(1, torch.get_num_threads())
    undisturbed = seconds if world.device.type == "cuda" else min(seconds, shared)
    return Speed(seconds, undisturbed, num_parameters(network), float(np.mean(pieces)))


def _sentences(shape: VocabularyShape, mean_length: float, config: RunConfig, seed: int) -> EncodedCorpus:
    """Random pieces, in sentences whose lengths vary as a corpus's do."""
    random = np.random.default_rng(seed)
    longest = config.data.max_length
    lengths = random.gamma(2.0, mean_length / 2, _NUM_SENTENCES).clip(2, longest).astype(int).tolist()
    sides = [
        EncodedSide.pack([random.integers(_NUM_RESERVED, shape.source_size, length).tolist() for length in lengths])
        for _ in range(2)
    ]
    return EncodedCorpus(sides[0], sides[1], SkippedPairs(), shape)
