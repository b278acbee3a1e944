"""Models in use: choosing one for a call, and leases that keep a model open while calls use it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import Worker
from dragoman.server.watching import BundleState


@dataclass(slots=True, eq=False)
class ServedModel:
    """A loaded model.

    config, state: the configuration and files that it was loaded from. loaded_at: by the catalogue's clock. card: see
    `ModelLease.card`. num_attempts: failed attempts with the same files shortly before. worker: owns its engine.
    num_leases: calls that use it. is_retired: whether it gets no new calls.
    """

    config: ModelConfig
    state: BundleState
    loaded_at: float
    card: str
    num_attempts: int = 0
    worker: Worker = field(init=False)
    num_leases: int = 0
    is_retired: bool = False

    @property
    def name(self) -> str:
        """Its name for clients."""
        return self.worker.translator.name

    @property
    def works(self) -> bool:
        """Whether it translates: its engine has not failed for good, and with engine processes, one is alive."""
        statistics = self.worker.statistics()
        return not self.worker.is_broken and (not statistics.num_replicas or statistics.num_replicas_alive > 0)


class ModelLease:
    """A context manager that keeps a model open, even if another one replaces it meanwhile."""

    def __init__(self, model: ServedModel, on_release: Callable[[ServedModel], None]) -> None:
        self._model: ServedModel | None = model
        self._on_release = on_release
        self.worker = model.worker
        self.card = model.card
        """Its bundle's README.md, in Markdown; empty if there is none."""
        self.config = model.config
        """The configuration that it was loaded from."""
        model.num_leases += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def translator(self) -> ServedTranslator:
        """The model itself."""
        return self.worker.translator

    def release(self) -> None:
        """Release the model; may be called twice, on the event loop."""
        model, self._model = self._model, None
        if model is not None:
            model.num_leases -= 1
            self._on_release(model)


class Lease(ModelLease):
    """A lease of a model for one direction."""

    def __init__(self, model: ServedModel, on_release: Callable[[ServedModel], None], direction: Direction) -> None:
        super().__init__(model, on_release)
        self.direction = direction


def find_named(workers: Sequence[Worker], model: str) -> Worker:
    """The worker of the named model. Raises NotFoundError that lists the models."""
    for worker in workers:
        if worker.translator.name == model:
            return worker
    available = ", ".join(worker.translator.name for worker in workers)
    raise NotFoundError(f'model: there is no "{model}"; there is {available}')


def find_worker(
    workers: Sequence[Worker], model: str | None, source_language: str | None, target_language: str
) -> tuple[Worker, Direction]:
    """The worker of the named model, or without a name of the only one that fits, and the direction.

    Raises NotFoundError if no model has the name or the languages, InvalidInputError if several models fit.
    """
    if model is not None:
        workers = [find_named(workers, model)]
    if len(workers) == 1:  # the translator's own message is clearer
        return workers[0], workers[0].translator.find_direction(source_language, target_language)
    fitting = _fitting(workers, source_language, target_language)
    if not fitting:
        source = f'"{source_language}"' if source_language else "any language"
        available = ", ".join(sorted({str(direction) for w in workers for direction in w.translator.directions}))
        raise NotFoundError(f'no model translates from {source} to "{target_language}"; there is {available}')
    if len(fitting) > 1:
        names = ", ".join(worker.translator.name for worker, _ in fitting)
        raise InvalidInputError(f"model: several models fit, name one of them: {names}")
    return fitting[0]


def _fitting(
    workers: Sequence[Worker], source_language: str | None, target_language: str
) -> list[tuple[Worker, Direction]]:
    fitting = []
    for worker in workers:
        try:
            fitting.append((worker, worker.translator.find_direction(source_language, target_language)))
        except NotFoundError:
            continue
    return fitting
