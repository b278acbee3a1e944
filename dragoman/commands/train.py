"""`dragoman train`."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", show_default=False, help="Configuration of the run.")
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
    processes need access to the run folder. --resume also starts a run that does not exist yet.
    """
    from dragoman.training.config import load_run_config
    from dragoman.training.evaluation.metrics import silence_sacrebleu
    from dragoman.training.learning.allocator import keep_freed_memory
    from dragoman.training.learning.distributed import PeerError, is_main_process
    from dragoman.training.run.interruption import Interrupted
    from dragoman.training.run.training_run import train as run_training

    silence_sacrebleu()
    keep_freed_memory()
    try:
        folder = run_training(load_run_config(config, overrides or ()), resume=resume)
    except PeerError as error:
        raise typer.Exit(2) from error  # the process that failed says why
    except Interrupted as end:
        if is_main_process():
            typer.echo(f"dragoman: {end}", err=True)
        raise typer.Exit(end.exit_code) from end
    if is_main_process():
        typer.echo(f"The best bundle is {folder}")
