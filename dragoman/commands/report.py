"""`dragoman report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", show_default=False, help="The run's folder.")],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", show_default=False, help="Write here, instead of to report.html in the run's folder."
        ),
    ] = None,
) -> None:
    """Write an HTML page about a training run; it opens without a network.

    The page shows curves, the best bundle's scores with confidence intervals, sample translations over time,
    attention, configuration and provenance. The run may be in progress, finished or killed.
    """
    from dragoman.model.files import is_stream, write_atomically
    from dragoman.training.report.page import make_page
    from dragoman.training.report.run_record import read_run

    path = output if output is not None else run / "report.html"
    page = make_page(read_run(run))
    # A corpus may hold lone surrogates, which UTF-8 cannot encode.
    write_atomically(path, page.encode("utf-8", "replace"))
    typer.echo(f"{path}: written", err=is_stream(path))
