"""Which of the loaded models translates a call."""

from collections.abc import Sequence

from dragoman.model.config import Direction
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.scheduling.worker import Worker


def find_named(workers: Sequence[Worker], model: str) -> Worker:
    """The worker of the model of that name. Raises NotFoundError that lists what there is."""
    for worker in workers:
        if worker.translator.name == model:
            return worker
    available = ", ".join(worker.translator.name for worker in workers)
    raise NotFoundError(f'model: there is no "{model}"; there is {available}')


def find_worker(
    workers: Sequence[Worker], model: str | None, source_language: str | None, target_language: str
) -> tuple[Worker, Direction]:
    """The worker of the model that was asked for, or of the only one that fits, and the direction in it.

    Raises NotFoundError if there is no such model or none for the languages, InvalidInputError if several models fit.
    """
    if model is not None:
        workers = [find_named(workers, model)]
    if len(workers) == 1:  # its own message is the clearest
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
