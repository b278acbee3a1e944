"""Shards of a job: together they are what one process writes, and what is missing is named."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.translation.batch.job import JobSummary, run_batch_job
from dragoman.translation.batch.lines import LineInput
from dragoman.translation.batch.shards import Shard, join_shards, read_shard, receipt_path
from dragoman.translation.results import Translation
from tests.server.fakes import EN_DE, FakeTranslator

PARAMETERS: dict[str, str | int] = {"to": "de", "beam_size": 4}


def translate_stream(texts: Iterable[str]) -> Iterator[Translation]:
    return FakeTranslator().stream(texts, EN_DE, SearchOptions())


def run(source: Path, output: Path, shard: Shard | None, *, overwrite: bool = False, **changed: int) -> JobSummary:
    parameters = PARAMETERS | changed
    return run_batch_job(
        source,
        output,
        translate_stream,
        parameters=parameters,
        shard=shard,
        overwrite=overwrite,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "input.en"
    path.write_text("".join(f"line {number}\n" for number in range(1, 21)), "utf-8")
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output.de"


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("2/8", {}, Shard(2, 8)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "0"}, Shard(1, 8)),
        ("auto", {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "4"}, Shard(4, 4)),
        ("auto/3", {"SLURM_ARRAY_TASK_ID": "1"}, Shard(2, 3)),
    ],
)
def test_a_shard_is_named_or_taken_from_the_scheduler(text: str, environment: dict[str, str], shard: Shard) -> None:
    assert read_shard(text, environment) == shard


@pytest.mark.parametrize("text", ["", "2", "0/8", "9/8", "1/0", "-1/8", "a/8", "1/8/2", "1/100000", "auto", "auto/8"])
def test_other_shards_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="--shard"):
        read_shard(text, {})


def test_kubernetes_does_not_say_how_many_there_are() -> None:
    with pytest.raises(InvalidInputError, match="auto/8"):
        read_shard("auto", {"JOB_COMPLETION_INDEX": "3"})


@given(content=st.binary(max_size=200).map(lambda b: b.replace(b"\0", b"\n")), count=st.integers(1, 20))
@settings(max_examples=200)
def test_every_line_is_in_one_shard(tmp_path_factory: pytest.TempPathFactory, content: bytes, count: int) -> None:
    path = tmp_path_factory.mktemp("lines") / "input"
    path.write_bytes(content)
    lines = []
    for number in range(1, count + 1):
        with LineInput(path, shard=Shard(number, count)) as source:
            lines += list(source)
    with LineInput(path) as source:
        assert lines == list(source)


def test_lines_longer_than_a_shard_belong_where_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"a" * 300_000 + b"\nb\n" + b"c" * 100_000)
    found = []
    for number in range(1, 5):
        with LineInput(path, shard=Shard(number, 4)) as source:
            found.append([line[:1] for line in source])
    assert found == [[b"a"], [], [b"b"], [b"c"]]


@pytest.mark.parametrize("name", ["output.de", "output.de.gz"])
def test_shards_together_are_what_one_process_writes(source: Path, tmp_path: Path, name: str) -> None:
    source.write_bytes(b"\xef\xbb\xbf" + source.read_bytes() + b"\nno line end")
    whole, output = tmp_path / f"whole-{name}", tmp_path / name
    run(source, whole, None)
    for number in range(1, 6):
        run(source, output, Shard(number, 5))
    assert join_shards(output) == 22
    with LineInput(output) as joined, LineInput(whole) as once:
        assert list(joined) == list(once)


def test_more_shards_than_lines(source: Path, output: Path) -> None:
    source.write_text("a b\n")
    for number in range(1, 9):
        run(source, output, Shard(number, 8))
    assert join_shards(output, remove=True) == 1
    assert output.read_text() == "b a\n"
    assert {path.name for path in output.parent.iterdir()} == {source.name, output.name}


def test_a_finished_shard_stays_as_it_is(source: Path, output: Path) -> None:
    first = run(source, output, Shard(1, 2))
    shard = Shard(1, 2).path(output)
    written = shard.stat().st_mtime_ns
    assert run(source, output, Shard(1, 2)) == JobSummary(first.num_lines, first.num_lines)
    assert shard.stat().st_mtime_ns == written
    with pytest.raises(InvalidInputError, match="other options"):
        run(source, output, Shard(1, 2), beam_size=5)
    run(source, output, Shard(1, 2), overwrite=True, beam_size=5)
    source.write_text(source.read_text().replace("line 2", "lime 2"))
    with pytest.raises(InvalidInputError, match="another input"):
        run(source, output, Shard(1, 2), beam_size=5)


def test_a_shard_goes_on_where_it_was_killed(source: Path, output: Path) -> None:
    def fail_after_three(texts: Iterable[str]) -> Iterator[Translation]:
        for number, translation in enumerate(translate_stream(texts)):
            if number == 3:
                raise RuntimeError("the power failed")
            yield translation

    with pytest.raises(RuntimeError):
        run_batch_job(source, output, fail_after_three, parameters=PARAMETERS, shard=Shard(2, 2))
    assert run(source, output, Shard(2, 2)).num_resumed == 3
    run(source, output, Shard(1, 2))
    assert join_shards(output) == 20


def test_errors_name_the_shard_and_its_line(source: Path, output: Path) -> None:
    source.write_bytes(b"line 1\n" * 10 + b"\xff\n" * 10)
    with pytest.raises(InvalidInputError, match=r"input\.en, shard 2/2, line 4: invalid UTF-8"):
        run(source, output, Shard(2, 2))


def test_missing_and_unfinished_shards_are_named(source: Path, output: Path) -> None:
    with pytest.raises(NotFoundError, match="there are no shards of it"):
        join_shards(output)
    for number in (1, 3, 4):
        run(source, output, Shard(number, 4))
    receipt_path(Shard(3, 4).path(output)).unlink()
    with pytest.raises(NotFoundError, match=r"2 of 4 shards \(2/4, 3/4\)"):
        join_shards(output)
    assert not output.exists()


def test_shards_of_different_jobs_are_not_joined(source: Path, output: Path) -> None:
    run(source, output, Shard(1, 2))
    run(source, output, Shard(2, 2), beam_size=5)
    with pytest.raises(InvalidInputError, match="was made with beam_size = 5, the first shard with 4"):
        join_shards(output)
    run(source, output, Shard(2, 3))
    with pytest.raises(InvalidInputError, match="shards of 2 and of 3"):
        join_shards(output)


def test_shards_of_an_input_that_has_grown_are_not_joined(source: Path, output: Path) -> None:
    run(source, output, Shard(1, 2))
    source.write_text(source.read_text() + "line 21\n")
    run(source, output, Shard(2, 2))
    with pytest.raises(InvalidInputError, match="of an input of"):
        join_shards(output)


def test_a_shard_that_lost_lines_is_not_joined(source: Path, output: Path) -> None:
    for number in (1, 2):
        run(source, output, Shard(number, 2))
    shard = Shard(2, 2).path(output)
    shard.write_text("".join(shard.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InvalidInputError, match="its receipt says"):
        join_shards(output)
    assert not output.exists()


def test_a_damaged_receipt_is_an_error(source: Path, output: Path) -> None:
    run(source, output, Shard(1, 1))
    receipt_path(Shard(1, 1).path(output)).write_text(json.dumps({"format": 1}))
    with pytest.raises(InvalidInputError, match="is no receipt"):
        join_shards(output)


def test_what_has_no_byte_ranges_is_refused(tmp_path: Path, output: Path) -> None:
    packed = tmp_path / "input.gz"
    packed.write_bytes(b"")
    with pytest.raises(InvalidInputError, match="not compressed"):
        run(packed, output, Shard(1, 2))


def test_an_output_is_not_replaced_by_chance(source: Path, output: Path) -> None:
    run(source, output, Shard(1, 1))
    output.write_text("mine\n")
    with pytest.raises(InvalidInputError, match="exists already"):
        join_shards(output)
    join_shards(output, overwrite=True)
    assert len(output.read_text().splitlines()) == 20
