"""`dragoman compare`."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", show_default=False, help="The runs' folders.")],
) -> None:
    """Hold training runs against the first one: a table in Markdown.

    Which options each has other than the first, BLEU of its best bundle on
    its dev set, and what it took. Runs that differ in nothing but the seed
    share a row, with mean and standard deviation. They may still go on.
    """
    from dragoman.training.report.comparison import compare_runs, comparison_table
    from dragoman.training.report.run_record import read_run

    typer.echo(comparison_table(compare_runs([read_run(run) for run in runs])))
