"""Models in use: choosing one for a call, and leases that keep a model open while calls use it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self, TypeAlias, TypeVar

from dragoman.model.bundle import BundleConfig
from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.catalogue.model_config import ModelConfig
from dragoman.server.scheduling.interfaces import ServedTranslator
from dragoman.server.scheduling.worker import Worker
from dragoman.server.watching import BundleState
from dragoman.translation.languages import find_direction

ModelState: TypeAlias = Literal["loaded", "unloaded", "loading", "failed"]
"""Whether a model's weights are in memory; those of an unloaded one are loaded by its next call. "failed": they could
not be loaded, or its engine is broken; the server tries again."""


@dataclass(slots=True, eq=False)
class ServedModel:
    """A loaded model.

    config, state: the configuration and files that it was loaded from. loaded_at: by the catalogue's clock. card: see
    `ModelLease.card`. num_attempts: failed attempts with the same files shortly before. worker: owns its engine.
    num_leases: calls that use it. is_retired: whether it gets no new calls. used_at: by the clock, when a call last
    began or ended. num_bytes: by how much loading it made the process grow.
    """

    config: ModelConfig
    state: BundleState
    loaded_at: float
    card: str
    num_attempts: int = 0
    worker: Worker = field(init=False)
    num_leases: int = 0
    is_retired: bool = False
    used_at: float = 0.0
    num_bytes: int = 0
    is_closed: bool = False

    @property
    def name(self) -> str:
        """Its name for clients."""
        return self.worker.translator.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which it translates."""
        return self.worker.translator.directions

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """See `ServedTranslator.find_direction`."""
        return self.worker.translator.find_direction(source_language, target_language)

    @property
    def works(self) -> bool:
        """Whether it translates: its engine has not failed for good, and with engine processes, one is alive."""
        statistics = self.worker.statistics()
        return not self.worker.is_broken and (not statistics.num_replicas or statistics.num_replicas_alive > 0)

    def describe(self) -> "ModelDescription":
        """Its description."""
        translator = self.worker.translator
        state: ModelState = "loaded" if self.works else "failed"
        info = named(translator.info, translator.name)
        return ModelDescription(info, translator.revision, translator.max_source_length, self.card, state)

    def shelve(self) -> "ShelvedModel":
        """What stays of it when it is unloaded."""
        translator = self.worker.translator
        length = translator.max_source_length
        info = named(translator.info, translator.name)
        return ShelvedModel(self.config, self.state, info, self.card, translator.revision, length, self.num_bytes)


@dataclass(slots=True, eq=False)
class ShelvedModel:
    """A configured model that is loaded when a call needs it.

    config, state, card: see `ServedModel`. info: of its bundle, under the name for clients. revision: empty until it
    was loaded. max_source_length: None until then. num_bytes: by how much loading it made the process grow, 0 until
    then. is_loading: whether it is being loaded. has_failed: whether the last attempt failed.
    """

    config: ModelConfig
    state: BundleState
    info: BundleConfig
    card: str
    revision: str = ""
    max_source_length: int | None = None
    num_bytes: int = 0
    is_loading: bool = False
    has_failed: bool = False

    @property
    def name(self) -> str:
        """Its name for clients."""
        return self.info.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which it translates."""
        return self.info.directions

    def find_direction(self, source_language: str | None, target_language: str) -> Direction:
        """See `ServedTranslator.find_direction`."""
        return find_direction(self.info, source_language, target_language)

    @property
    def expected_bytes(self) -> int:
        """Memory that it takes: as measured at its last loading, otherwise the size of its largest file."""
        return self.num_bytes or max((state.size for state in self.state.files if state is not None), default=0)

    @property
    def works(self) -> bool:
        """Whether calls for it are expected to succeed."""
        return not self.has_failed

    def describe(self) -> "ModelDescription":
        """Its description."""
        length = self.max_source_length or self.info.architecture.source_limit
        state: ModelState = "loading" if self.is_loading else "failed" if self.has_failed else "unloaded"
        return ModelDescription(self.info, self.revision, length, self.card, state)


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model for those who ask what there is. revision: empty if it is not known."""

    info: BundleConfig
    revision: str
    max_source_length: int
    card: str
    state: ModelState


def named(info: BundleConfig, name: str | None) -> BundleConfig:
    """A bundle's configuration under another name; None: its own."""
    return info if name is None or name == info.name else replace(info, name=name)


class ModelLease:
    """A context manager that keeps a model open, even if another one replaces it meanwhile."""

    def __init__(self, model: ServedModel, on_release: Callable[[ServedModel], None]) -> None:
        self._model: ServedModel | None = model
        self.model = model
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


Entry = TypeVar("Entry", ServedModel, ShelvedModel, ServedModel | ShelvedModel)


def find_named(models: Sequence[Entry], model: str) -> Entry:
    """The named model. Raises NotFoundError that lists the models."""
    for entry in models:
        if entry.name == model:
            return entry
    available = ", ".join(entry.name for entry in models)
    raise NotFoundError(f'model: there is no "{model}"; there is {available}')


class AllDirections:
    """The directions of all models together, which every call asks for; a model may have tens of thousands."""

    def __init__(self) -> None:
        self._each: tuple[Sequence[Direction], ...] = ()
        self._all: frozenset[Direction] = frozenset()

    def of(self, models: Sequence["ServedModel | ShelvedModel"]) -> frozenset[Direction]:
        """The same set as for the call before, while the models have the same directions."""
        each = tuple([model.directions for model in models])
        if each != self._each:
            self._each, self._all = each, frozenset(direction for directions in each for direction in directions)
        return self._all


def find_model(
    models: Sequence[Entry], model: str | None, source_language: str | None, target_language: str
) -> tuple[Entry, Direction]:
    """The named model, or without a name the first one for the languages, and the direction. A model that is added
    behind others does not disturb the calls that they serve.

    Raises NotFoundError if no model has the name or the languages, InvalidInputError if models for several source
    languages fit.
    """
    if model is not None:
        models = [find_named(models, model)]
    if len(models) == 1:  # the model's own message is clearer
        return models[0], models[0].find_direction(source_language, target_language)
    fitting = _fitting(models, source_language, target_language)
    if not fitting:
        source = f'"{source_language}"' if source_language else "any language"
        available = ", ".join(sorted({str(direction) for entry in models for direction in entry.directions}))
        raise NotFoundError(f'no model translates from {source} to "{target_language}"; there is {available}')
    if len({direction for _, direction in fitting}) > 1:
        names = ", ".join(entry.name for entry, _ in fitting)
        raise InvalidInputError(f"model: several models fit, name one of them: {names}")
    return fitting[0]


def _fitting(
    models: Sequence[Entry], source_language: str | None, target_language: str
) -> list[tuple[Entry, Direction]]:
    fitting = []
    for entry in models:
        try:
            fitting.append((entry, entry.find_direction(source_language, target_language)))
        except NotFoundError:
            continue
    return fitting
