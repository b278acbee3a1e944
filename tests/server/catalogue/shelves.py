"""Bundles without networks for a catalogue."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.catalogue.catalogue import Catalogue, Lease
from dragoman.server.catalogue.served import ShelvedModel
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import Worker
from dragoman.server.watching import BundleState
from tests.server.fakes import PATIENCE, FakeTranslator
from tests.server.running import trust

FR_DE = Direction("fr", "de")


@dataclass
class Shelf:
    """Bundles that can be loaded, by path; None is a broken one. `version` is what the state of its files tells."""

    bundles: dict[str, FakeTranslator | None] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    events: list[tuple[str, ...]] = field(default_factory=list)
    retired: list[int] = field(default_factory=list)
    loads: list[tuple[str, float]] = field(default_factory=list)
    measured: list[int] = field(default_factory=list)
    now: float = 1000.0

    def put(self, bundle: str, translator: FakeTranslator | None) -> FakeTranslator | None:
        self.bundles[bundle] = translator
        self.versions[bundle] = self.versions.get(bundle, 0) + 1
        return translator

    def load(self, model: ModelConfig) -> ServedTranslator:
        self.loaded.append(model.bundle)
        found = self.bundles.get(model.bundle)
        if found is None:
            raise InvalidInputError(f"{model.bundle}: damaged")
        if model.name is not None:
            found.name = model.name
        return found

    def state_of(self, bundle: str) -> BundleState:
        return BundleState(f"{bundle}/{self.versions.get(bundle, 0)}", ())

    def describe(self, model: ModelConfig, state: BundleState) -> ShelvedModel:
        found = self.bundles.get(model.bundle)
        if found is None:
            raise InvalidInputError(f"{model.bundle}: damaged")
        return ShelvedModel(model, state, replace(found.info, name=model.name or found.name), "its card")

    def clock(self) -> float:
        return self.now

    def model_loaded(self, model: str, revision: str) -> None:
        self.events.append(("loaded", model))

    def model_unloaded(self, model: str) -> None:
        self.events.append(("unloaded", model))

    def models_retired(self, number: int) -> None:
        self.retired.append(number)

    def reload_ended(self, model: str, outcome: str) -> None:
        self.events.append((outcome, model))

    def load_ended(self, model: str, seconds: float) -> None:
        self.loads.append((model, seconds))

    def model_evicted(self, model: str) -> None:
        self.events.append(("evicted", model))

    def memory_measured(self, num_bytes: int) -> None:
        self.measured.append(num_bytes)


def make_catalogue(
    shelf: Shelf,
    *,
    try_out: Callable[[Worker], Awaitable[None]] = trust,
    on_change: Callable[[], None] = lambda: None,
    **options: Any,
) -> Catalogue:
    return Catalogue(
        load=shelf.load,
        try_out=try_out,
        state_of=shelf.state_of,
        describe=shelf.describe,
        observer=shelf,
        on_change=on_change,
        clock=shelf.clock,
        **options,
    )


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main(), PATIENCE)

    asyncio.run(bounded())


def models(*bundles: str) -> list[ModelConfig]:
    return [ModelConfig(bundle=bundle) for bundle in bundles]


def names(catalogue: Catalogue) -> list[str]:
    return [worker.translator.name for worker in catalogue.workers()]


async def translate(lease: Lease, text: str) -> str:
    prepared = lease.translator.prepare(text, lease.direction, SearchOptions())
    (found,) = await lease.worker.translate([prepared], caller=CallContext("a", "b"), priority=Priority.INTERACTIVE)
    return getattr(found, "text", "")
