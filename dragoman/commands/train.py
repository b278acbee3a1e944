"""`dragoman train`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from dragoman.model.errors import InvalidInputError


def train(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG.toml",
            show_default=False,
            help="Configuration; with --resume the run's folder will do.",
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key, such as optimization.max_updates=2000; repeatable."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the run's newest checkpoint.")] = False,
) -> None:
    """Train a model and write checkpoints, metrics and the best bundle to the run folder.

    On several processors, accelerators or hosts: torchrun --nproc-per-node N -m dragoman train CONFIG.toml. All
    processes need access to the run folder. --resume CONFIG.toml also starts a run that does not exist yet; --resume
    RUN needs neither the configuration nor its --set again.
    """
    from dragoman.training.config import load_begun_config, load_run_config
    from dragoman.training.display import is_main_process, show_phase

    if config.is_dir() and not resume:
        raise InvalidInputError(f"{config}: is a folder; to go on with a run: dragoman train --resume {config}")
    if config.is_dir():
        run = load_begun_config(config, overrides or ())
    else:
        run = load_run_config(config, overrides or (), say=_say if is_main_process() else None)
    with show_phase("loading PyTorch", is_shown=is_main_process()):  # takes seconds, with a cold disk many
        from dragoman.training.evaluation.metrics import silence_sacrebleu
        from dragoman.training.learning.allocator import keep_freed_memory
        from dragoman.training.learning.distributed import PeerError
        from dragoman.training.report.outcome import describe_outcome, next_commands
        from dragoman.training.report.run_record import read_run
        from dragoman.training.run.interruption import Interrupted
        from dragoman.training.run.training_run import train as run_training

    silence_sacrebleu()
    keep_freed_memory()
    try:
        folder = run_training(run, resume=resume)
    except PeerError as error:
        raise typer.Exit(2) from error  # the process that failed says why
    except KeyboardInterrupt:
        if is_main_process() and (run.run_folder / "config.json").exists():
            folder_name = shlex.quote(str(run.run_folder))
            typer.echo(
                f"dragoman: to go on from the newest checkpoint: dragoman train --resume {folder_name}", err=True
            )
        raise
    except Interrupted as end:
        if is_main_process():
            for line in describe_outcome(read_run(run.run_folder)):
                typer.echo(line, err=True)
            typer.echo(f"dragoman: {end} (dragoman train --resume {shlex.quote(str(run.run_folder))})", err=True)
        raise typer.Exit(end.exit_code) from end
    if is_main_process():
        record = read_run(run.run_folder)
        typer.echo("\n".join((f"The best bundle is {folder}", *describe_outcome(record), "", "Next:")))
        for command in next_commands(record):
            typer.echo(f"  {command}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
