"""Explanations of the served models: their weights are read when they are asked for first, beside those that the engine
has."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from dragoman.model.config import Direction
from dragoman.model.decoding.loading import open_model
from dragoman.model.errors import InvalidInputError
from dragoman.server.catalogue.catalogue import Lease
from dragoman.server.scheduling.scheduler import QueueFullError
from dragoman.server.translating.languages import find_sources
from dragoman.server.translating.orders import ScoreOrder
from dragoman.server.translating.translating import FindsModels
from dragoman.translation.scoring.explaining import Explainer, Explanation

MAX_KEPT = 2
"""Models whose weights are kept for the next explanation."""

MAX_WAITING = 16
"""Calls that may wait: one is computed at a time, so that translations hardly notice."""


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation, and the model that it is of. revision: of the files as they are, which may just be replaced."""

    explanation: Explanation
    model: str
    revision: str
    direction: Direction


class Explaining:
    """For the event loop alone."""

    def __init__(self, catalogue: FindsModels) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[tuple[str, str], Explainer] = OrderedDict()  # by bundle and revision, the latest last
        self._computing = asyncio.Lock()
        self._num_waiting = 0

    async def explain(self, order: ScoreOrder, source: str, target: str) -> Explained:
        """Explain a text and its translation. Raises InvalidInputError that names the faulty field, NotFoundError for
        an unknown model or language, and QueueFullError."""
        directions = self._catalogue.directions(order.model)
        sources, language = find_sources(directions, order.source_language, order.target_language)
        if len(sources) > 1:
            raise InvalidInputError(f"source_language_code: is empty; name one of {', '.join(sources)}")
        if self._num_waiting >= MAX_WAITING:
            raise QueueFullError(f"{self._num_waiting} explanations are waiting: try again later")
        self._num_waiting += 1
        try:
            with await self._catalogue.lease(order.model, sources[0], language) as lease:
                async with self._computing:
                    return await asyncio.to_thread(self._compute, lease, source, target)
        finally:
            self._num_waiting -= 1

    def _compute(self, lease: Lease, source: str, target: str) -> Explained:
        explainer = self._explainer(lease)
        explanation = explainer.explain(source, target, lease.direction)
        return Explained(explanation, lease.translator.name, explainer.revision, lease.direction)

    def _explainer(self, lease: Lease) -> Explainer:
        key = (lease.config.bundle, lease.translator.revision)
        if key not in self._kept:
            self._kept[key] = Explainer(open_model([lease.config.bundle], use_shortlist=lease.config.shortlist))
        self._kept.move_to_end(key)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]
