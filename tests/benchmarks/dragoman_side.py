"""Dragoman's process. All that the benchmarks know of Dragoman's interface is here and in `server_side`."""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from typing import Any

from dragoman.model.decoding.request import Request, TokenHypothesis
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.scheduling.worker import Worker
from dragoman.translation.drafts import PreparedText
from dragoman.translation.offline import OfflineLoop
from dragoman.translation.terms.glossary import Entry, Glossary
from dragoman.translation.terms.matching import TermFinder
from dragoman.translation.translator import Translator
from tests.benchmarks.load_generator import latencies_under_load
from tests.benchmarks.processes import peak_memory, serve
from tests.model.decoding.engines.engines import finished_by_step

_NOBODY = CallContext("", "")


class DragomanSide:
    """See the methods; `load` comes first."""

    def load(self, bundle: str, **settings: Any) -> None:
        """settings: those of Translator.load."""
        self._translator = Translator.load(bundle, **settings)

    def translate(self, texts: Sequence[str], to: str, **search: Any) -> dict[str, Any]:
        """One sentence a text. Returns seconds, the pieces of the best hypotheses with their ends, and the texts.

        Translations of a given length are nonsense: nothing is protected, and nothing searched again for looking wrong.
        """
        translator, options = self._translator, SearchOptions(**_options(search))
        direction = translator.find_direction(None, to)

        def prepare(text: str) -> PreparedText:
            return translator.prepare(text, direction, options, split_sentences=False, protect=False)

        started = time.perf_counter()
        if "min_target_length" in search:
            loop = OfflineLoop(translator.engine, texts, prepare, lambda *_: None, translator.finish)
            translations = list(loop.run())
        else:
            translations = translator.translate(texts, to, split_sentences=False, **_options(search))
        return {
            "seconds": time.perf_counter() - started,
            "num_pieces": sum(len(translation.hypotheses[0].token_log_probs) for translation in translations),
            "texts": [translation.text for translation in translations],
        }

    def translate_with_terms(
        self, texts: Sequence[str], to: str, terms: Sequence[Sequence[str] | None] = (), num_idle: int = 0
    ) -> dict[str, Any]:
        """One sentence a text, each with a term of its own where `terms` has one (source, target); or all with a
        glossary of num_idle terms that do not occur. Returns CPU seconds, the texts, and how many terms are met."""
        translator, options = self._translator, SearchOptions()
        direction = translator.find_direction(None, to)
        languages = direction.source, direction.target

        def find(pair: Sequence[str]) -> TermFinder:
            entry = Entry(dict(zip(languages, ((word,) for word in pair), strict=True)))
            return TermFinder(Glossary((entry,)), *languages)

        finders: list[TermFinder | None] = [find(pair) if pair else None for pair in terms] or [None] * len(texts)
        if num_idle:
            entries = (Entry(dict.fromkeys(languages, (f"word{number}",))) for number in range(num_idle))
            finders = [TermFinder(Glossary(tuple(entries)), *languages)] * len(texts)
        own = iter(finders)

        def prepare(text: str) -> PreparedText:
            return translator.prepare(text, direction, options, split_sentences=False, terms=next(own))

        started = time.process_time()
        loop = OfflineLoop(translator.engine, texts, prepare, translator.review, translator.finish)
        translations = list(loop.run())
        seconds = time.process_time() - started
        outcomes = [outcome for translation in translations for outcome in translation.hypotheses[0].terms]
        return {
            "cpu_seconds": seconds,
            "texts": [translation.text for translation in translations],
            "num_met": sum(outcome.is_met for outcome in outcomes),
        }

    def latencies(self, texts: Sequence[str], to: str, **search: Any) -> list[float]:
        """Seconds for each text, one after the other."""
        return [self.translate([text], to, **search)["seconds"] for text in texts]

    def under_load(self, texts: Sequence[str], to: str, arrivals: Sequence[float], **search: Any) -> list[float]:
        """The server's worker without gRPC: seconds from each arrival to its translation."""
        direction = self._translator.find_direction(None, to)
        options = SearchOptions(**_options(search))

        async def run() -> list[float]:
            worker = Worker(self._translator)

            async def translate(text: str) -> None:
                prepared = self._translator.prepare(text, direction, options, split_sentences=False)
                await worker.translate([prepared], caller=_NOBODY, priority=Priority.INTERACTIVE)

            try:
                return await latencies_under_load(translate, texts, arrivals)
            finally:
                await worker.drain()

        return asyncio.run(run())

    def outcomes(self, texts: Sequence[str], to: str, seed: int | None = None, **search: Any) -> list[tuple[str, str]]:
        """Text and score, to the last bit, of each best hypothesis.

        seed: None fills the slots with the texts in their order; otherwise they come in another one, a random number of
        them before every step.
        """
        translator = self._translator
        direction, options = translator.find_direction(None, to), SearchOptions(**_options(search))
        prepared = [translator.prepare(text, direction, options, split_sentences=False) for text in texts]
        ids = itertools.count()
        requests = [request for item in prepared for request in item.requests(ids)]
        if len(requests) != len(texts):
            raise ValueError("one of the texts is blank")
        found = self._decode(requests, random.Random(seed) if seed is not None else None)
        return [
            (translator.finish(item, [found[index]]).text, found[index][0].score.hex())
            for index, item in enumerate(prepared)
        ]

    def _decode(self, requests: list[Request], order: random.Random | None) -> dict[int, Sequence[TokenHypothesis]]:
        engine = self._translator.engine
        found: dict[int, Sequence[TokenHypothesis]] = {}
        waiting = list(reversed(requests))
        if order is not None:
            order.shuffle(waiting)
        while waiting or engine.num_active:
            num_admitted = engine.free_slots
            if order is not None:
                num_admitted = min(num_admitted, order.randint(0, 3))
            engine.admit([waiting.pop() for _ in range(min(num_admitted, len(waiting)))])
            for finished in finished_by_step(engine):
                found[finished.id] = finished.hypotheses
        return found

    def peak_memory(self) -> int:
        """Bytes."""
        return peak_memory()


def _options(search: dict[str, Any]) -> dict[str, Any]:
    """The same search as CTranslate2's: scores are normalized by their length with the end of sentence."""
    return {"beam_size": 4, "length_penalty": 1.0, "length_normalization": "average", **search}


if __name__ == "__main__":
    serve(DragomanSide())
