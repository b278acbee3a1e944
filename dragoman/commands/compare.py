"""`dragoman compare`."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", show_default=False, help="The runs' folders.")],
) -> None:
    """Compare training runs with the first one, in a table; in a pipe or a file it is Markdown.

    The table shows the options that differ from the first run's, the best
    bundle's BLEU on the dev set, and the cost of training. Runs that differ
    only in the seed share a row, with mean and standard deviation. Runs may
    still be in progress.
    """
    from rich.console import Console

    from dragoman.training.report.comparison import compare_runs, comparison_table, terminal_table
    from dragoman.training.report.run_record import read_run

    experiments = compare_runs([read_run(run) for run in runs])
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.print(terminal_table(experiments, width=console.width))
    else:
        typer.echo(comparison_table(experiments))
