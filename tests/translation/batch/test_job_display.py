"""What a person at a terminal sees of a batch job."""

import io

from rich.console import Console

from dragoman.translation.batch.job import JobProgress, show_progress


def test_draws_lines_and_the_share_of_the_input() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with show_progress(console) as on_progress:
        assert on_progress is not None
        on_progress(JobProgress(num_lines=1500, num_resumed=200, num_bytes_read=50, num_bytes=200))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1,500 lines (200 from before)" in drawn
    assert "25%" in drawn


def test_draws_without_a_known_size() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with show_progress(console) as on_progress:
        assert on_progress is not None
        on_progress(JobProgress(num_lines=3, num_resumed=0, num_bytes_read=0, num_bytes=None))
    assert "3 lines" in console.file.getvalue()  # type: ignore[attr-defined]


def test_is_silent_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with show_progress(console) as on_progress:
        assert on_progress is None
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
