"""The batch job: line by line, complete or not at all, continued after whatever ended it."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.translation.batch.job import JobProgress, JobSummary, TranslateStream, run_batch_job
from dragoman.translation.results import Hypothesis, Translation
from tests.server.fakes import EN_DE, PATIENCE, FakeTranslator, reverse_words

PARAMETERS = {"to": "de", "beam_size": 4}


class Power(Exception):
    """Stands for whatever may end a job."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "input.en"
    path.write_text("".join(f"line {number}\n" for number in range(1, 21)), "utf-8")
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output.de"


def expected(num_lines: int = 20) -> str:
    return "".join(f"{number} line\n" for number in range(1, num_lines + 1))


def translate_stream(texts: Iterable[str]) -> Iterator[Translation]:
    return FakeTranslator().stream(texts, EN_DE, SearchOptions())


def reading_ahead(stream: TranslateStream, num_ahead: int) -> TranslateStream:
    """Takes its input in portions, as translators do."""

    def translate(texts: Iterable[str]) -> Iterator[Translation]:
        texts = iter(texts)
        while portion := list(islice(texts, num_ahead)):
            yield from list(stream(portion))

    return translate


def failing_after(num_lines: int, error: Exception) -> TranslateStream:
    def translate(texts: Iterable[str]) -> Iterator[Translation]:
        yield from islice(translate_stream(texts), num_lines)
        raise error

    return translate


def run(source: Path, output: Path, stream: TranslateStream = translate_stream, **options: Any) -> JobSummary:
    return run_batch_job(source, output, stream, **{"parameters": PARAMETERS, "checkpoint_seconds": 0.0, **options})


def beside(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir() if path.name.startswith(output.name))


def begin(source: Path, output: Path, num_lines: int, **options: Any) -> None:
    """Leaves a job behind that has translated so many lines."""
    with pytest.raises(Power):
        run(source, output, failing_after(num_lines, Power()), **options)


def test_writes_a_line_for_a_line_and_nothing_else(source: Path, output: Path) -> None:
    assert run(source, output) == JobSummary(num_lines=20, num_resumed=0)
    assert output.read_text("utf-8") == expected()
    assert beside(output) == ["output.de"]


def test_an_output_called_so_is_packed_and_what_a_kill_left_is_removed(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "packed.GZ"
    output.parent.mkdir()
    left = output.with_name("packed.GZ.0123abcd.tmp")
    left.write_bytes(b"half")
    run(source, output)
    assert gzip.decompress(output.read_bytes()).decode() == expected()
    assert [path.name for path in output.parent.iterdir()] == ["packed.GZ"]


@pytest.mark.parametrize(
    ("content", "translated"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"a b", b"b a\n"),
        (b"a b\r\n\r\nc d\r\n", b"b a\n\nd c\n"),
        (b"\n \n\na b\n\n", b"\n \n\nb a\n\n"),
        ("\u2028a\n \x0b\x1c\n".encode(), b"a\n \x0b\x1c\n"),
        (b"\r\r\n", b" \n"),  # a lone \r is blank text and would end a line for some readers
    ],
)
def test_lines_correspond_whatever_they_hold(tmp_path: Path, output: Path, content: bytes, translated: bytes) -> None:
    source = tmp_path / "input"
    source.write_bytes(content)
    run(source, output)
    assert output.read_bytes() == translated


def test_a_byte_order_mark_is_not_translated(tmp_path: Path, output: Path) -> None:
    source = tmp_path / "input"
    source.write_bytes("\ufeffa b\n\ufeffc d\n".encode())
    begin(source, output, 1)
    assert run(source, output) == JobSummary(2, 1)
    assert output.read_text("utf-8") == "b a\nd \ufeffc\n"


def test_a_translation_with_line_breaks_stays_one_line(source: Path, output: Path) -> None:
    def translate(texts: Iterable[str]) -> Iterator[Translation]:
        for text in texts:
            yield Translation(text, (Hypothesis("a\nb\r\nc\rd", 0.0),))

    run(source, output, translate)
    assert output.read_bytes() == b"a b c d\n" * 20


def test_what_is_written_for_a_translation_can_be_chosen(source: Path, output: Path) -> None:
    run(source, output, write=lambda translation: f"{translation.source}\n{translation.text}")
    assert output.read_text("utf-8").splitlines()[:2] == ["line 1 1 line", "line 2 2 line"]


def test_something_else_can_be_made_of_the_lines(source: Path, output: Path) -> None:
    def fail(path: Path) -> None:
        raise Power

    def count_lines(path: Path) -> None:
        output.write_text(str(len(path.read_text("utf-8").splitlines())))

    with pytest.raises(Power):
        run(source, output, make_output=fail)
    assert beside(output) == ["output.de.journal", "output.de.partial"]
    assert run(source, output, make_output=count_lines) == JobSummary(20, 20)
    assert output.read_text() == "20"
    assert beside(output) == ["output.de"]


def test_reads_gzip(tmp_path: Path, source: Path, output: Path) -> None:
    packed = tmp_path / "input.en.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    begin(packed, output, 7)
    assert run(packed, output) == JobSummary(20, 7)
    assert output.read_text("utf-8") == expected()


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_goes_on_after_an_error(source: Path, output: Path, seconds: float) -> None:
    for num_lines in (5, 0, 7):
        with pytest.raises(Power):
            run(source, output, failing_after(num_lines, Power()), checkpoint_seconds=seconds)
        assert not output.exists()
    assert run(source, output, reading_ahead(translate_stream, 3)) == JobSummary(20, 12)
    assert output.read_text("utf-8") == expected()
    assert beside(output) == ["output.de"]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), num_done=st.integers(0, 20), num_ahead=st.integers(1, 25))
def test_goes_on_from_a_partial_file_cut_anywhere_or_with_more_in_it(
    data: st.DataObject, num_done: int, num_ahead: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "input"), Path(folder, "output")
        lines = [f"wörd {number} {'x' * (number % 7)}" if number % 5 else "" for number in range(20)]
        source.write_text("\n".join(lines), "utf-8", newline="")
        begin(source, output, num_done, checkpoint_seconds=1e9)
        partial = Path(folder, "output.partial")
        content = partial.read_bytes()
        tail = data.draw(st.binary(max_size=30))
        partial.write_bytes((content + tail)[: data.draw(st.integers(0, len(content) + len(tail)))])
        run(source, output, reading_ahead(translate_stream, num_ahead), checkpoint_seconds=1e9)
        assert output.read_text("utf-8") == "".join(reverse_words(line) + "\n" for line in lines)


def test_a_begun_job_wants_the_same_parameters(source: Path, output: Path) -> None:
    begin(source, output, 5)
    with pytest.raises(InvalidInputError) as caught:
        run(source, output, parameters={"to": "de", "beam_size": 1})
    assert "was begun with beam_size = 4, now it is 1; go on with the former, or to start over, delete" in str(
        caught.value
    )
    with pytest.raises(InvalidInputError, match='begun with model = null, now it is "large"'):
        run(source, output, parameters={**PARAMETERS, "model": "large"})
    assert run(source, output) == JobSummary(20, 5)  # the refusals have cost nothing


CHANGES: dict[str, Callable[[str], str]] = {
    "another line": lambda text: text.replace("3", "4"),
    "shorter": lambda text: text[:10],
    "shifted": lambda text: "x" + text,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_begun_job_wants_the_same_input(source: Path, output: Path, change: Callable[[str], str]) -> None:
    begin(source, output, 5)
    original = source.read_text("utf-8")
    source.write_text(change(original), "utf-8")
    with pytest.raises(InvalidInputError, match=r"input.en: has changed within its first 5 lines .* delete .*partial"):
        run(source, output)
    source.write_text(original + "line 21\n", "utf-8")  # what comes later may change
    assert run(source, output) == JobSummary(21, 5)
    assert output.read_text("utf-8") == expected(21)


@pytest.mark.parametrize("journal", [None, "", "{}", "[]", '{"format": 2}', '{"format": 1, "parameters": 5}'])
def test_a_partial_file_without_a_good_journal_is_left_alone(source: Path, output: Path, journal: str | None) -> None:
    partial = output.with_name("output.de.partial")
    partial.write_text("precious\n", "utf-8")
    if journal is not None:
        output.with_name("output.de.journal").write_text(journal, "utf-8")
    with pytest.raises(InvalidInputError, match="delete"):
        run(source, output)
    assert partial.read_text("utf-8") == "precious\n"


def test_an_existing_output_is_refused(source: Path, output: Path) -> None:
    output.write_text("precious\n", "utf-8")
    with pytest.raises(InvalidInputError, match=r"output.de: exists already"):
        run(source, output)
    assert output.read_text("utf-8") == "precious\n"
    with pytest.raises(Power):
        run(source, output, failing_after(3, Power()), overwrite=True)
    assert output.read_text("utf-8") == "precious\n"
    assert run(source, output, overwrite=True) == JobSummary(20, 3)
    assert output.read_text("utf-8") == expected()


def test_an_output_that_appears_meanwhile_is_not_overwritten(source: Path, output: Path) -> None:
    with pytest.raises(InvalidInputError, match="exists already"):
        run(source, output, on_progress=lambda progress: output.write_text("precious\n", "utf-8") and None)
    assert output.read_text("utf-8") == "precious\n"
    output.unlink()
    assert run(source, output) == JobSummary(20, 20)


def test_the_input_is_not_its_own_output(source: Path) -> None:
    with pytest.raises(InvalidInputError, match="is the input as well"):
        run(source, source, overwrite=True)


def test_files_that_cannot_be(tmp_path: Path, source: Path) -> None:
    with pytest.raises(NotFoundError, match="missing: no such file"):
        run(tmp_path / "missing", tmp_path / "output")
    with pytest.raises(NotFoundError, match="there is no folder"):
        run(source, tmp_path / "missing" / "output")
    with pytest.raises(InvalidInputError, match="is a folder"):
        run(source, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["input.en"]


def test_two_jobs_do_not_write_the_same_output(source: Path, output: Path) -> None:
    refusals = []

    def intrude(progress: JobProgress) -> None:
        with pytest.raises(InvalidInputError, match="another job is writing it") as caught:
            run(source, output)
        refusals.append(caught.value)

    run(source, output, on_progress=intrude)
    assert len(refusals) == 20
    assert output.read_text("utf-8") == expected()


def test_a_journal_that_a_killed_job_left_after_its_end_is_ignored(source: Path, output: Path) -> None:
    begin(source, output, 5)
    journal = output.with_name("output.de.journal")
    shutil.copy(journal, journal.with_suffix(".kept"))
    run(source, output)
    shutil.move(journal.with_suffix(".kept"), journal)
    assert run(source, output, overwrite=True, parameters={"other": True}) == JobSummary(20, 0)
    assert output.read_text("utf-8") == expected()


@pytest.mark.parametrize("num_ahead", [1, 4, 100])
def test_invalid_utf8_names_file_and_line(source: Path, output: Path, num_ahead: int) -> None:
    good = source.read_bytes()
    source.write_bytes(good.replace(b"line 9\n", b"line \xff\n"))
    with pytest.raises(InvalidInputError, match=r"input.en, line 9: invalid UTF-8 at byte 6 of the line$"):
        run(source, output, reading_ahead(translate_stream, num_ahead))
    source.write_bytes(good)
    assert run(source, output) == JobSummary(20, 8)
    assert output.read_text("utf-8") == expected()


@pytest.mark.parametrize("num_ahead", [1, 4, 100])
def test_a_text_that_is_too_long_names_file_and_line(source: Path, output: Path, num_ahead: int) -> None:
    good = source.read_text("utf-8")
    source.write_text(good.replace("line 11\n", "line " * 60 + "\n"), "utf-8")
    with pytest.raises(InvalidInputError, match=r"input.en, line 11: the text has 60 pieces, but at most 50 fit$"):
        run(source, output, reading_ahead(translate_stream, num_ahead))
    source.write_text(good, "utf-8")
    assert run(source, output) == JobSummary(20, 10)
    assert output.read_text("utf-8") == expected()


def test_a_translator_that_leaves_texts_out_is_caught(source: Path, output: Path) -> None:
    def translate(texts: Iterable[str]) -> Iterator[Translation]:
        translations = list(translate_stream(texts))
        yield from translations[:5] + translations[first:last]

    first, last = 5, 17
    with pytest.raises(RuntimeError, match="left out 3 texts"):
        run(source, output, translate)
    output.with_name("output.de.partial").unlink()
    first = 6
    with pytest.raises(RuntimeError, match="mixed up its texts at line 6"):
        run(source, output, translate)


def test_a_full_disk_is_one_clear_line(source: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(source, output, 5)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DragomanError, match=r"output.de: cannot be written: No space left on device; what is"):
            run(source, output)
    assert run(source, output) == JobSummary(20, 5)
    assert output.read_text("utf-8") == expected()


def test_tells_its_progress(source: Path, output: Path) -> None:
    begin(source, output, 15)
    seen: list[JobProgress] = []
    run(source, output, on_progress=seen.append)
    assert [progress.num_lines for progress in seen] == [16, 17, 18, 19, 20]
    size = source.stat().st_size
    assert {(progress.num_resumed, progress.num_bytes) for progress in seen} == {(15, size)}
    assert seen[-1].num_bytes_read == size


def test_standard_input(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):  # the second does not go on where the first stopped, for it cannot
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a b\nc d\n\xff\n")))
        with pytest.raises(InvalidInputError, match="standard input, line 3: invalid UTF-8"):
            run(Path("-"), output)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a b\nc d\n")))
    assert run(Path("-"), output) == JobSummary(2, 0)
    assert output.read_bytes() == b"b a\nd c\n"
    assert beside(output) == ["output.de"]


def test_standard_input_does_not_take_the_place_of_a_begun_job(
    source: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(source, output, 5)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a b\n")))
    with pytest.raises(InvalidInputError, match="belongs to another job"):
        run(Path("-"), output)
    assert run(source, output) == JobSummary(20, 5)


KILLED_JOB = """
import json, os, signal, sys
from pathlib import Path
from dragoman.translation.results import Hypothesis, Translation
from dragoman.translation.batch.job import run_batch_job

def translate(texts):
    for text in texts:
        print(text, flush=True)
        sys.stdin.readline()  # the parent says when to go on, or kills us here
        yield Translation(text, (Hypothesis(" ".join(reversed(text.split())), 0.0),))

calls_to_go = {calls}
def die_at_call(function):
    def wrapped(*arguments, **options):
        global calls_to_go
        calls_to_go -= 1
        if calls_to_go == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return wrapped

if calls_to_go:
    os.fsync = die_at_call(os.fsync)
    Path.replace = die_at_call(Path.replace)
    Path.unlink = die_at_call(Path.unlink)
parameters = json.loads(sys.argv[3])
run_batch_job(Path(sys.argv[1]), Path(sys.argv[2]), translate, parameters=parameters, checkpoint_seconds={seconds})
"""


def run_killed(source: Path, output: Path, *, num_lines: int, calls: int = 0, seconds: float = 0.0) -> bool:
    """Runs a job in a process that dies before line `num_lines + 1`, or at a system call; False if it ended well."""
    code = KILLED_JOB.format(calls=calls, seconds=seconds)
    command = [sys.executable, "-c", code, str(source), str(output), json.dumps(PARAMETERS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for number, _ in enumerate(process.stdout):
                if number == num_lines:
                    process.kill()
                    break
                process.stdin.write("\n")
                process.stdin.flush()
        except BrokenPipeError:
            pass  # it killed itself
        process.wait(PATIENCE)
        with suppress(BrokenPipeError):
            process.stdin.close()
    return process.returncode != 0


@pytest.mark.parametrize("seconds", [0.0, 1e9])  # a checkpoint after every line, and none but the first
def test_after_kill_9_no_line_is_lost_or_doubled(source: Path, output: Path, seconds: float) -> None:
    for num_lines in (0, 6, 5):
        assert run_killed(source, output, num_lines=num_lines, seconds=seconds)
        assert not output.exists()
    assert run(source, output) == JobSummary(20, 11 if seconds == 0.0 else 0)
    assert output.read_text("utf-8") == expected()


NUM_CALLS = 23
"""Syncs, renames and removals of a job of four lines that checkpoints after each."""


@pytest.mark.parametrize("call", range(1, NUM_CALLS + 2))
def test_after_a_kill_at_any_system_call(source: Path, output: Path, call: int) -> None:
    source.write_text("line 1\nline 2\nline 3\nline 4\n", "utf-8")
    was_killed = run_killed(source, output, num_lines=99, calls=call)
    assert was_killed == (call <= NUM_CALLS)
    if not output.exists():  # otherwise it died when everything was done
        run(source, output)
    assert output.read_text("utf-8") == expected(4)
    run(source, output, overwrite=True)
    assert output.read_text("utf-8") == expected(4)
    assert beside(output) == ["output.de"]
