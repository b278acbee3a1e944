"""`dragoman compare`."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", show_default=False, help="The runs' folders, or files that --save has written."),
    ],
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            show_default=False,
            help="Also write a page with the curves of all runs; it opens without a network.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            show_default=False,
            help="Also write what was compared into a small file, from which this command makes the same table and "
            "page. No sentence of a corpus is in it.",
        ),
    ] = None,
) -> None:
    """Compare training runs with the first one, in a table; in a pipe or a file it is Markdown.

    The table shows the options that differ from the first run's, the best
    bundle's BLEU on the dev set (of language models the perplexity) and on the
    test sets that `dragoman evaluate --record` scored, and the cost of training.
    Runs that differ only in the seed share a row, with mean and standard
    deviation. Runs may still be in progress.
    """
    from rich.console import Console

    from dragoman.model.files import write_atomically
    from dragoman.training.report.comparison import compare_runs, comparison_table, terminal_table
    from dragoman.training.report.measured_run import pack_runs, read_runs

    measured = read_runs(runs)
    experiments = compare_runs(measured)
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.print(terminal_table(experiments, width=console.width))
    else:
        typer.echo(comparison_table(experiments))
    if save is not None:
        write_atomically(save, pack_runs(measured))
        typer.echo(f"{save}: written", err=True)
    if page is not None:
        from dragoman.training.report.comparison_page import make_comparison_page

        # A name may hold lone surrogates, which UTF-8 cannot encode.
        write_atomically(page, make_comparison_page(experiments).encode("utf-8", "replace"))
        typer.echo(f"{page}: written", err=True)
