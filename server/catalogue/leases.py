"""A model in use: it is closed only when nobody uses it any more."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from dragoman.model.config import Direction
from dragoman.server.catalogue.bundle_watch import BundleState
from dragoman.server.config import ModelConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import Worker


@dataclass(slots=True, eq=False)
class ServedModel:
    """A loaded model.

    config, state: what it was loaded from. loaded_at: on the catalogue's clock. num_attempts: to serve what it was
    loaded from that failed shortly before. worker: owns its engine. num_leases: calls that use it. is_retired: no
    new ones get it. card: see `ModelLease.card`.
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
        """What clients call it."""
        return self.worker.translator.name

    @property
    def works(self) -> bool:
        """Whether it translates: its engine has not failed for good, and of its processes, if it has any, one lives."""
        statistics = self.worker.statistics()
        return not self.worker.is_broken and (not statistics.num_replicas or statistics.num_replicas_alive > 0)


class ModelLease:
    """Keeps a model from being closed, for use with `with`: another may take its place meanwhile, but it goes on."""

    def __init__(self, model: ServedModel, on_release: Callable[[ServedModel], None]) -> None:
        self._model: ServedModel | None = model
        self._on_release = on_release
        self.worker = model.worker
        self.card = model.card
        """Its bundle's README.md, in Markdown; empty if there is none."""
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
        """What leaving `with` does; may be called twice, on the event loop."""
        model, self._model = self._model, None
        if model is not None:
            model.num_leases -= 1
            self._on_release(model)


class Lease(ModelLease):
    """A model and the direction in which it is to translate."""

    def __init__(self, model: ServedModel, on_release: Callable[[ServedModel], None], direction: Direction) -> None:
        super().__init__(model, on_release)
        self.direction = direction
