"""Driving an engine in tests."""

from typing import Protocol

from dragoman.model.decoding.decoder import Decoder
from dragoman.model.decoding.engines.engine import Engine
from dragoman.model.decoding.engines.fleet import Fleet
from dragoman.model.decoding.request import Event, Finished, Request


class SteppingEngine(Protocol):
    """Any engine."""

    @property
    def num_active(self) -> int: ...

    def admit(self, requests: list[Request], /) -> None: ...

    def step(self) -> list[Event]: ...


def finished_by_step(engine: SteppingEngine) -> list[Finished]:
    """One step of an engine whose requests nobody follows."""
    return only_finished(engine.step())


def only_finished(events: list[Event]) -> list[Finished]:
    """Events that must all be ends."""
    finished = [event for event in events if isinstance(event, Finished)]
    assert len(finished) == len(events)
    return finished


def run(engine: SteppingEngine, requests: list[Request]) -> dict[int, Finished]:
    """What an engine finds for requests that fit it all at once, by id."""
    engine.admit(requests)
    found: dict[int, Finished] = {}
    while engine.num_active:
        found |= {finished.id: finished for finished in finished_by_step(engine)}
    return found


def decoder_of(engine: Engine | Fleet) -> Decoder:
    """What the engine decodes with, or one of them, which are all alike."""
    return (engine if isinstance(engine, Engine) else engine._threads[0].engine).decoder
