"""CTranslate2's process."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece

from tests.benchmarks.load_generator import latencies_under_load
from tests.benchmarks.processes import peak_memory, serve

COLLECTING_SECONDS = 0.005
"""How long the queue before it waits for others after the first."""


class CTranslate2Side:
    """See the methods; `load` comes first."""

    def load(
        self,
        model: str,
        *,
        compute_type: str = "int8",
        inter_threads: int = 2,
        intra_threads: int = 1,
        max_batch_size: int = 32,
        batch_type: str = "examples",
    ) -> None:
        """model: a folder that `dragoman export` wrote. inter_threads: replicas, of intra_threads each."""
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(Path(model) / "vocabulary.model"))
        self._translator = ctranslate2.Translator(
            model, compute_type=compute_type, inter_threads=inter_threads, intra_threads=intra_threads
        )
        self._batching: dict[str, Any] = {"max_batch_size": max_batch_size, "batch_type": batch_type}
        self._num_replicas = inter_threads

    def translate(self, texts: Sequence[str], to: str, **search: Any) -> dict[str, Any]:
        """One sentence a text. Returns seconds, the pieces of the best hypotheses with their ends, and the texts."""
        started = time.perf_counter()
        results = self._translator.translate_batch(
            self._encode(texts, to), return_end_token=True, **_options(search), **self._batching
        )
        hypotheses = [result.hypotheses[0] for result in results]
        translated = self._decode(hypotheses)
        return {
            "seconds": time.perf_counter() - started,
            "num_pieces": sum(map(len, hypotheses)),
            "texts": translated,
        }

    def latencies(self, texts: Sequence[str], to: str, **search: Any) -> list[float]:
        """Seconds for each text, one after the other."""
        return [self.translate([text], to, **search)["seconds"] for text in texts]

    def under_load(self, texts: Sequence[str], to: str, arrivals: Sequence[float], **search: Any) -> list[float]:
        """Behind a collecting queue: seconds from each arrival to its translation."""
        options = _options(search)

        def translate_batch(sources: list[list[str]]) -> list[str]:
            # Batches are made here; each goes to one replica as a whole.
            results = self._translator.translate_batch(sources, return_end_token=True, **options)
            return self._decode([result.hypotheses[0] for result in results])

        async def run() -> list[float]:
            queue = _CollectingQueue(translate_batch, self._batching["max_batch_size"], self._num_replicas)

            async def translate(text: str) -> None:
                await queue.translate(self._encode([text], to)[0])

            return await latencies_under_load(translate, texts, arrivals)

        return asyncio.run(run())

    def outcomes(self, texts: Sequence[str], to: str, seed: int | None = None, **search: Any) -> list[tuple[str, str]]:
        """Text and score, to the last bit, of each best hypothesis. seed: None takes the texts in their order."""
        order = list(range(len(texts)))
        if seed is not None:
            random.Random(seed).shuffle(order)
        results = self._translator.translate_batch(
            self._encode([texts[index] for index in order], to),
            return_scores=True,
            **_options(search),
            **self._batching,
        )
        translated = self._decode([result.hypotheses[0] for result in results])
        found = {index: (translated[place], results[place].scores[0].hex()) for place, index in enumerate(order)}
        return [found[index] for index in range(len(texts))]

    def peak_memory(self) -> int:
        """Bytes."""
        return peak_memory()

    def _encode(self, texts: Sequence[str], to: str) -> list[list[str]]:
        return [[f"<2{to}>", *self._pieces.encode(text, out_type=str)] for text in texts]

    def _decode(self, hypotheses: Sequence[Sequence[str]]) -> list[str]:
        texts: list[str] = self._pieces.decode([list(pieces) for pieces in hypotheses])
        return texts


class _CollectingQueue:
    """Makes batches of single requests: a free replica waits for a first one and 5 ms for others, or until its batch
    is full.

    While all replicas are busy requests gather, so that a busy service uses larger batches.
    """

    def __init__(
        self, translate_batch: Callable[[list[list[str]]], list[str]], max_batch_size: int, num_replicas: int
    ) -> None:
        self._translate_batch = translate_batch
        self._max_batch_size = max_batch_size
        self._waiting: asyncio.Queue[tuple[list[str], asyncio.Future[str]]] = asyncio.Queue()
        self._is_full = asyncio.Event()
        self._collecting = asyncio.Lock()
        self._threads = ThreadPoolExecutor(num_replicas)
        self._replicas = [asyncio.ensure_future(self._serve()) for _ in range(num_replicas)]

    async def translate(self, source: list[str]) -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((source, future))
        if self._waiting.qsize() >= self._max_batch_size - 1:  # the collector holds one already
            self._is_full.set()
        return await future

    async def _serve(self) -> None:
        """One replica."""
        while True:
            async with self._collecting:
                batch = await self._collect()
            sources = [source for source, _ in batch]
            texts = await asyncio.get_running_loop().run_in_executor(self._threads, self._translate_batch, sources)
            for (_, future), text in zip(batch, texts, strict=True):
                future.set_result(text)

    async def _collect(self) -> list[tuple[list[str], asyncio.Future[str]]]:
        batch = [await self._waiting.get()]
        if self._waiting.qsize() < self._max_batch_size - 1:
            self._is_full.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_full.wait(), COLLECTING_SECONDS)
        while len(batch) < self._max_batch_size and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch


def _options(search: dict[str, Any]) -> dict[str, Any]:
    """The same search as Dragoman's, under CTranslate2's names; max_target_length is as large as the model allows."""
    options = {"beam_size": 4, "length_penalty": 1.0, **search}
    options["max_decoding_length"] = options.pop("max_target_length", 256)
    options["min_decoding_length"] = options.pop("min_target_length", 1)
    return options


if __name__ == "__main__":
    serve(CTranslate2Side())
