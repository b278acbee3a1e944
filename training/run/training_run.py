"""A whole training run: from its material to the best bundle."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from dragoman.model.bundle import CONFIG_FILE
from dragoman.model.codec import Codec
from dragoman.model.config import LanguageModelConfig
from dragoman.model.files import exclusive_lock, write_atomically
from dragoman.model.network.network import num_parameters
from dragoman.training.config import RunConfig
from dragoman.training.learning.distributed import World, join_world
from dragoman.training.report.run_record import WARNINGS_FILE
from dragoman.training.run.checkpoint import CheckpointFolder
from dragoman.training.run.folder import is_resumption, record_start
from dragoman.training.run.material import Material, Results, gather_material
from dragoman.training.run.prepare import find_departures
from dragoman.training.run.progress import Progress
from dragoman.training.run.reporting import MetricsLog, TrainingDisplay
from dragoman.training.run.trainer import Trainer
from dragoman.translation.protecting.probing import add_copying
from dragoman.translation.protecting.stand_ins import DEFAULT_STAND_INS


def train(config: RunConfig, *, resume: bool = False) -> Path:
    """Trains as configured and returns the folder of the best bundle, `best` in the run folder.

    The run folder holds config.json (the resolved configuration), checksums.json (of the data), provenance.json,
    vocabulary/, corpus cache/, checkpoints/, metrics.jsonl, tensorboard/, best/, translations of the dev set (see
    `training.evaluation.dev_translations`), and a lock that keeps a second run out.
    With `resume` a run continues from its newest complete checkpoint. Under torchrun several processes train together,
    in one run folder that all can read; a run that torchrun restarts after a failure resumes by itself.

    Raises InvalidInputError if the run folder has a run already and `resume` is not set, NotFoundError if there is no
    run to resume, Interrupted if a signal has ended the run, and the errors of reading the corpora and writing
    checkpoints.
    """
    with join_world() as world:
        resume = world.on_main(lambda: is_resumption(config, world, wanted=resume))
        with exclusive_lock(config.run_folder / "lock") if world.is_main else nullcontext():
            return _train(config, world, resume=resume)


def _train(config: RunConfig, world: World, *, resume: bool) -> Path:
    material = gather_material(config, world, resume=resume)
    results = material.results
    checkpoints = CheckpointFolder(config.run_folder / "checkpoints", world)
    trainer = Trainer(
        config,
        material.network,
        material.corpus,
        checkpoints,
        validate=results.validate if results is not None else None,
        offer=results.offer if results is not None else None,
    )
    with TrainingDisplay(total_updates=config.optimization.max_updates, is_shown=world.is_main) as display:
        newest = world.on_main(lambda: checkpoints.newest_whole(display.say) if resume else None)
        if newest is not None:
            trainer.resume(newest)
        warnings = [*find_departures(config, material.corpus.vocabulary), *material.contradictions]
        display.begin(trainer.progress.update)
        for line in _introduce(material, trainer, newest, resume=resume, warnings=warnings):
            display.say(line)
        log = None if results is None else _begin_record(config, world, results, trainer.progress, warnings)
        with log or nullcontext():
            trainer.run(display, log)
            world.on_main(lambda: trainer.average(display))
            if not isinstance(config.architecture, LanguageModelConfig):
                world.on_main(lambda: _probe(config.run_folder / "best", material.corpus.vocabulary))
    return config.run_folder / "best"


def _probe(bundle: Path, vocabulary: Codec) -> None:
    """Finds the words that the best network copies, unless it has learnt stand-ins or there is no network."""
    if not DEFAULT_STAND_INS.of(vocabulary.source).learnt and (bundle / CONFIG_FILE).exists():
        add_copying(bundle)


def _introduce(
    material: Material, trainer: Trainer, newest: int | None, *, resume: bool, warnings: Sequence[str]
) -> Iterator[str]:
    """What a person should know before the first update. newest: the update of the checkpoint to go on from."""
    yield f"{num_parameters(material.network):,} parameters; {material.corpus.describe()}"
    if newest is not None:
        yield f"goes on after update {newest:,} of {trainer.config.optimization.max_updates:,}"
    elif resume:
        yield "there is no checkpoint to go on from: begins anew"
    if trainer.world.size > 1:
        num_batches = trainer.updater.num_batches
        yield f"{trainer.world.size} processes, which share the {num_batches} batches of each update"
    yield from (f"warning: {warning}" for warning in warnings)


def _begin_record(
    config: RunConfig, world: World, results: Results, progress: Progress, warnings: Sequence[str]
) -> MetricsLog:
    """Writes into the run folder what determines the run; only now is the input known to be good."""
    folder = config.run_folder
    write_atomically(folder / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
    write_atomically(folder / WARNINGS_FILE, "".join(f"{warning}\n" for warning in warnings))
    record_start(folder, world, seed=config.seed, checksums=results.best.checksums, update=progress.update)
    results.translations.forget_after(progress.update)
    validated = max((validation.update for validation in progress.validations), default=0)
    return MetricsLog(folder, resumed_update=progress.update, validated_update=validated)
