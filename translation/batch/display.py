"""The progress of a batch job on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dragoman.translation.batch.job import JobProgress


@contextmanager
def show_progress(console: Console | None = None) -> Iterator[Callable[[JobProgress], None] | None]:
    """Gives an `on_progress` for `run_batch_job` that draws on standard error, or None if that is no terminal.

    The bar shows the share of the input's bytes that are read; of a pipe, whose size nobody knows, only lines.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as display:
        task = display.add_task("Translating", total=None)

        def update(progress: JobProgress) -> None:
            lines = f"{progress.num_lines:,} lines"
            resumed = f" ({progress.num_resumed:,} from before)" if progress.num_resumed else ""
            display.update(
                task, description=lines + resumed, completed=progress.num_bytes_read, total=progress.num_bytes
            )

        yield update
