"""The commands that tell of training runs."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", show_default=False, help="The run's folder.")],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", show_default=False, help="Write here, in place of report.html in the folder."
        ),
    ] = None,
) -> None:
    """Write one HTML page about a training run, which opens without a network.

    Curves, scores of the best bundle with confidence intervals, sample translations over time, attention pictures, the
    configuration and where all came from. The run may still go on, or have been killed.
    """
    from model.files import write_atomically
    from training.report.page import make_page
    from training.report.run_record import read_run

    path = output if output is not None else run / "report.html"
    page = make_page(read_run(run))
    # Half of a surrogate pair, which a corpus may hold, has no UTF-8.
    write_atomically(path, page.encode("utf-8", "replace"))
    typer.echo(f"{path}: written")


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", show_default=False, help="The runs' folders.")],
) -> None:
    """Hold training runs against the first one: a table in Markdown.

    Which options each has other than the first, BLEU of its best bundle on
    its dev set, and what it took. Runs that differ in nothing but the seed
    share a row, with mean and standard deviation. They may still go on.
    """
    from training.report.comparison import compare_runs, comparison_table
    from training.report.run_record import read_run

    typer.echo(comparison_table(compare_runs([read_run(run) for run in runs])))
