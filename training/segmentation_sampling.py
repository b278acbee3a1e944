"""Subword regularization: other pieces for the same text every time it is met, as if there were more text.

Kudo (2018) draws segmentations from a unigram model; BPE-dropout (Provilkov et al. 2020) leaves out merges at random.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

import numpy as np
import sentencepiece

from model.decoding.parallel import default_threads
from model.vocabulary import PieceModel
from training.corpus import EncodedSide

Task = TypeVar("Task")
Result = TypeVar("Result")

_GENERATOR = Lock()
"""SentencePiece has one seed for the whole process."""


def map_seeded(function: Callable[[Task], Result], tasks: Iterable[Task], *, seed: Sequence[int]) -> list[Result]:
    """The results of all tasks, in order, from several threads; what a task samples depends on it and the seed alone,
    not on the number of threads."""
    state = int(np.random.SeedSequence(list(seed)).generate_state(1)[0])
    num_threads = max(1, min(8, default_threads() // 2))  # the others train
    with _GENERATOR, ThreadPoolExecutor(num_threads, thread_name_prefix="sampling") as executor:
        sentencepiece.set_random_generator_seed(state)
        return list(executor.map(function, tasks))


def sample_segmentations(
    texts: Sequence[str], usual: EncodedSide, model: PieceModel, *, alpha: float, max_length: int
) -> EncodedSide:
    """A random segmentation of each text, see `PieceModel.sample_all`; the usual one, which `usual` gives, where the
    random one has more than `max_length` pieces."""
    sampled = model.sample_all(texts, alpha)
    return EncodedSide.pack(
        [
            pieces if len(pieces) <= max_length else usual.pieces[usual.offsets[i] : usual.offsets[i + 1]].tolist()
            for i, pieces in enumerate(sampled)
        ]
    )
