"""A synthetic corpus is made of what a batch job found; the same after whatever ended it."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.config import Direction
from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
from dragoman.training.synthesis import job as synthesis
from dragoman.training.synthesis.choice import Candidate, Chooser, Filters, Keep
from dragoman.training.synthesis.job import Synthesis, SynthesisCounts, SynthesisFiles, read_record, write_record
from dragoman.translation.batch.job import TranslateStream
from dragoman.translation.batch.source import TranslationSource
from dragoman.translation.results import Hypothesis, Translation

NUM_LINES = 12
DE_EN = Direction("de", "en")
ANY = Filters()


class Power(Exception):
    """Stands for whatever may end a job."""


def translate(texts: Iterable[str]) -> Iterator[Translation]:
    """Three hypotheses of each text, the second one cut off, the third one with a word more."""
    for text in texts:
        yield Translation(
            text,
            (
                Hypothesis(f"{text} reversed"[::-1], -0.5, ("a", "b"), (-0.1, -0.2, -0.3)),
                Hypothesis(f"{text} and so on", -0.7, ("a", "b"), (-0.1, -0.2)),
                Hypothesis(f"one {text}", -1.0, ("a",), (-0.1, -0.2)),
            ),
        )


def failing_after(num_lines: int) -> TranslateStream:
    def failing(texts: Iterable[str]) -> Iterator[Translation]:
        yield from islice(translate(texts), num_lines)
        raise Power

    return failing


def nothing(texts: Iterable[str]) -> Iterator[Translation]:
    """Has nothing left to translate."""
    assert list(texts) == []
    return iter(())


class Workshop:
    """A folder with an input, and what is made of it."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder = folder
        self.bundle = bundle
        self.input = folder / "mono.de"
        self.input.write_text("".join(f"Satz {number}\n" for number in range(NUM_LINES)), "utf-8")
        self.files = SynthesisFiles.in_folder(folder / "out", DE_EN, is_packed=False)

    def run(
        self,
        stream: TranslateStream = translate,
        *,
        keep: Keep = "best",
        reference: Path | None = None,
        filters: Filters = ANY,
        files: SynthesisFiles | None = None,
        input_path: Path | None = None,
        parameters: dict[str, Any] | None = None,
        overwrite: bool = False,
    ) -> SynthesisCounts:
        source = TranslationSource(stream, lambda: parameters or {"n_best": 3})
        job = Synthesis(
            source, files or self.files, filters, Chooser(keep), bundles=[str(self.bundle)], overwrite=overwrite
        )
        return job.run(input_path or self.input, reference)

    def contents(self) -> dict[str, bytes]:
        """Of all files that are there beside the input."""
        return {path.name: path.read_bytes() for path in (self.folder / "out").iterdir()}


@pytest.fixture
def workshop(tmp_path: Path, tiny_bundle: Path) -> Workshop:
    return Workshop(tmp_path, tiny_bundle)


def test_writes_aligned_files_and_their_provenance(workshop: Workshop, tiny_bundle: Path) -> None:
    counts = workshop.run(keep="all")
    assert counts == SynthesisCounts(NUM_LINES, 2 * NUM_LINES, 0, {"cut_off": NUM_LINES})
    files = workshop.contents()
    assert set(files) == {"synthetic.de", "synthetic.en", "synthesis.json"}
    sources, targets = (files[name].decode().splitlines() for name in ("synthetic.de", "synthetic.en"))
    assert sources == [f"Satz {number // 2}" for number in range(2 * NUM_LINES)]
    assert targets[:4] == ["desrever 0 ztaS", "one Satz 0", "desrever 1 ztaS", "one Satz 1"]
    provenance = json.loads(files["synthesis.json"])
    assert provenance == {
        "bundles": [{"name": "tiny", "revision": provenance["bundles"][0]["revision"]}],
        "translation": {"n_best": 3},
        "filters": {"min_score": None, "max_ratio": None, "allow_copies": False},
        "keep": "all",
        "tokenize": None,
        "input": {"name": "mono.de", "sha256": hashlib.sha256(workshop.input.read_bytes()).hexdigest()},
        "reference": None,
        "source": {"name": "synthetic.de", "sha256": hashlib.sha256(files["synthetic.de"]).hexdigest()},
        "target": {"name": "synthetic.en", "sha256": hashlib.sha256(files["synthetic.en"]).hexdigest()},
        "counts": {
            "num_lines": NUM_LINES,
            "num_pairs": 2 * NUM_LINES,
            "num_without_pair": 0,
            "left_out": {"cut_off": NUM_LINES},
        },
    }
    weights = (tiny_bundle / "weights.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest().startswith(provenance["bundles"][0]["revision"])


def test_lines_without_a_pair_are_in_neither_file(workshop: Workshop) -> None:
    workshop.input.write_text("Satz 1\n\nSatz 2\n \none\n", "utf-8")

    def stream(texts: Iterable[str]) -> Iterator[Translation]:
        for text in texts:
            # Blank texts translate to themselves, and so does what the model has nothing to say of.
            pieces = ("a",) if text.strip() and text != "one" else ()
            yield Translation(text, (Hypothesis(f"<{text}>" if pieces else text, 0.0, pieces),))

    assert workshop.run(stream, filters=Filters(allow_copies=True)) == SynthesisCounts(5, 2, 3, {"blank": 3})
    files = workshop.contents()
    assert (files["synthetic.de"], files["synthetic.en"]) == (b"Satz 1\nSatz 2\n", b"<Satz 1>\n<Satz 2>\n")


def test_names_that_end_in_gz_are_packed(workshop: Workshop) -> None:
    workshop.run()
    plain = workshop.contents()
    packed_input = workshop.folder / "mono.de.gz"
    packed_input.write_bytes(gzip.compress(workshop.input.read_bytes()))
    workshop.run(
        input_path=packed_input, files=SynthesisFiles.in_folder(workshop.folder / "out", DE_EN, is_packed=True),
        overwrite=True,
    )  # fmt: skip
    packed = workshop.contents()
    for name in ("synthetic.de", "synthetic.en"):
        assert gzip.decompress(packed[f"{name}.gz"]) == plain[name]


def test_the_nearest_to_each_line_of_the_reference(workshop: Workshop) -> None:
    reference = workshop.folder / "human.en"
    lines = [f"one Satz {number}" if number % 2 else f"desrever {number} ztaS" for number in range(NUM_LINES)]
    reference.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    workshop.run(keep="nearest", reference=reference)
    files = workshop.contents()
    # Of the single digits, the first one's tokens are the same either way.
    assert files["synthetic.en"].decode().splitlines()[:10] == lines[:10]
    provenance = json.loads(files["synthesis.json"])
    assert provenance["tokenize"] == "13a"
    assert provenance["reference"]["sha256"] == hashlib.sha256(reference.read_bytes()).hexdigest()


@pytest.mark.parametrize("num_lines", [NUM_LINES - 1, NUM_LINES + 1])
def test_a_reference_of_another_length_is_refused_before_anything_is_translated(
    workshop: Workshop, num_lines: int
) -> None:
    reference = workshop.folder / "human.en"
    reference.write_text("x\n" * num_lines)
    with pytest.raises(InvalidInputError, match=rf"mono.de has {NUM_LINES} lines, but .*human.en has {num_lines}"):
        workshop.run(failing_after(0), keep="nearest", reference=reference)


@pytest.mark.parametrize(("num_lines", "complaint"), [(1, "ends after 1 lines, but"), (3, "more lines than the input")])
def test_a_reference_to_standard_input_is_checked_in_the_end(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, num_lines: int, complaint: str
) -> None:
    reference = workshop.folder / "human.en"
    reference.write_text("x\n" * num_lines)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    with pytest.raises(InvalidInputError, match=rf"human\.en .*{complaint}"):
        workshop.run(keep="nearest", reference=reference, input_path=Path("-"))
    assert set(workshop.contents()) == {"synthesis.json.partial"}


def test_goes_on_after_an_error_and_writes_the_same(workshop: Workshop) -> None:
    workshop.run(keep="random")
    expected = workshop.contents()
    for name in expected:
        (workshop.folder / "out" / name).unlink()
    for num_lines in (5, 0, 4):
        with pytest.raises(Power):
            workshop.run(failing_after(num_lines), keep="random")
        assert set(workshop.contents()) == {"synthesis.json.partial", "synthesis.json.journal"}

    def only_the_rest(texts: Iterable[str]) -> Iterator[Translation]:
        for text in texts:
            assert int(text.split()[1]) >= 9
            yield from translate([text])

    workshop.run(only_the_rest, keep="random")
    assert workshop.contents() == expected


def test_a_begun_job_wants_the_same_translations_but_what_is_kept_may_change(workshop: Workshop) -> None:
    with pytest.raises(Power):
        workshop.run(failing_after(5))
    with pytest.raises(InvalidInputError, match=r"synthesis.json.partial: was begun with n_best = 3, now it is 4"):
        workshop.run(parameters={"n_best": 4})
    assert workshop.run(keep="all").num_pairs == 2 * NUM_LINES


KILLED_JOBS = """
import os, signal, sys
from itertools import count
from pathlib import Path
from tests.training.synthesis.test_job import Workshop

def die_at_call(function):
    def wrapped(*arguments, **options):
        global calls_to_go
        calls_to_go -= 1
        if calls_to_go == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return wrapped

def workshop(name):
    folder = Path(sys.argv[1], name)
    folder.mkdir()
    return Workshop(folder, Path(sys.argv[2]))

undisturbed = workshop("undisturbed")
undisturbed.run(keep="random")
for call in count(1):
    killed = workshop(str(call))
    child = os.fork()
    if child == 0:
        calls_to_go = call
        os.fsync, Path.replace, Path.unlink = map(die_at_call, (os.fsync, Path.replace, Path.unlink))
        killed.run(keep="random")
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    is_done = not killed.files.provenance.with_name("synthesis.json.partial").exists()
    killed.run(keep="random", overwrite=is_done)
    assert killed.contents() == undisturbed.contents(), f"call {call}"
print(call - 1)
"""


def test_goes_on_after_a_kill_at_any_system_call(tmp_path: Path, tiny_bundle: Path) -> None:
    """At each sync, renaming and removal of a whole job, those of the three outputs among them."""
    command = [sys.executable, "-c", KILLED_JOBS, str(tmp_path), str(tiny_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 17


@pytest.mark.parametrize("name", ["synthetic.de", "synthetic.en", "synthesis.json"])
def test_outputs_that_exist_are_refused_and_left_alone(workshop: Workshop, name: str) -> None:
    path = workshop.folder / "out" / name
    path.parent.mkdir()
    path.write_text("precious\n")
    with pytest.raises(InvalidInputError, match=rf"{name}: exists already; choose another name, or --overwrite it"):
        workshop.run(failing_after(0))
    assert workshop.contents() == {name: b"precious\n"}
    workshop.run(overwrite=True)
    assert path.read_text() != "precious\n"


def test_an_output_that_appears_meanwhile_is_not_written_over(workshop: Workshop) -> None:
    def intruded(texts: Iterable[str]) -> Iterator[Translation]:
        workshop.files.source.write_text("precious\n")
        yield from translate(texts)

    with pytest.raises(InvalidInputError, match=r"synthetic\.de: exists already"):
        workshop.run(intruded)
    assert workshop.files.source.read_text() == "precious\n"
    assert not workshop.files.target.exists()
    workshop.files.source.unlink()
    assert workshop.run(nothing).num_pairs == NUM_LINES  # nothing is left to translate


def test_files_that_cannot_be(workshop: Workshop) -> None:
    one, two = workshop.folder / "one", workshop.folder / "two"
    for files in (
        SynthesisFiles(workshop.input, one, two),
        SynthesisFiles(one, one, two),
        SynthesisFiles(one, two, workshop.folder / "out" / ".." / "two"),
    ):
        with pytest.raises(InvalidInputError, match="is an input or another output as well"):
            workshop.run(files=files, overwrite=True)
    with pytest.raises(InvalidInputError, match="is a folder"):
        workshop.run(files=SynthesisFiles(one, workshop.folder, two))
    with pytest.raises(DragomanError, match=r"mono.de: cannot be made"):
        workshop.run(files=SynthesisFiles(workshop.input / "one", one, two))
    with pytest.raises(NotFoundError, match="nowhere: no such file"):
        workshop.run(input_path=workshop.folder / "nowhere")


def test_the_pairs_cannot_be_written(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise DragomanError(f"{path}: cannot be written: No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(synthesis, "write_atomically", full)
        with pytest.raises(DragomanError, match=r"synthesis\.json: cannot be written: No space left on device"):
            workshop.run()
    assert workshop.run(nothing).num_pairs == NUM_LINES  # all translations were kept


def test_a_record_is_one_line_that_reads_back() -> None:
    hypotheses = (Hypothesis("a\n\u2028ü", -0.25, ("a",), (-0.1, -0.2)), Hypothesis("b", -1.0, ("b",), (-0.3,)))
    line = write_record(Translation('x\r"y"', hypotheses))
    assert not set(line) & {"\n", "\r"}
    assert read_record(line) == ('x\r"y"', [Candidate("a\n\u2028ü", -0.25), Candidate("b", -1.0, is_cut_off=True)])
    alone = write_record(Translation("x", (Hypothesis("x", 0.0),)))
    assert read_record(alone) == ("x", [Candidate("", 0.0)])
