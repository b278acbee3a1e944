"""The parts of the benchmarks that count."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.service.bench import MemorySamples
from tests.benchmarks.service.outcomes import Outcome, render_markdown
from tests.benchmarks.service.process_tree import descendants, processor_seconds, resident_bytes
from tests.benchmarks.service.tally import CallEnd, Tally
from tests.benchmarks.service.texts import join_into_texts, read_sentences
from tests.server_process import Tables, write_toml


def test_a_tally_of_several_processes() -> None:
    one, other = Tally(), Tally()
    one.add(CallEnd("translate", "right", 0.0, 1.0), keep=True)
    one.add(CallEnd("stream", "lost", 0.0, 2.0), "3 of 5 items")
    other.add(CallEnd("translate", "right", 0.0, 1.0))
    other.add(CallEnd("score", "refused without a hint", 0.0, 1.0), "why")
    whole = Tally.merged([one.to_json(), other.to_json()])
    assert (whole.num_calls, whole.num("right"), whole.num("lost"), whole.num_unexpected) == (4, 2, 1, 2)
    assert whole.examples == ["stream lost: 3 of 5 items", "score refused without a hint: why"]
    assert whole.ends == [CallEnd("translate", "right", 0.0, 1.0)]


def test_processes_started_by_processes_are_found() -> None:
    grandchild = f"import subprocess, sys; subprocess.run([{sys.executable!r}, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", grandchild], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = descendants(child.pid)
        assert len(found) == 1
        assert found[0] in descendants(os.getpid())
        assert resident_bytes(child.pid) > resident_bytes(found[0]) > 0
        assert processor_seconds(child.pid) >= processor_seconds(found[0]) >= 0
        child.communicate(b"\n")


def test_memory_that_drifts() -> None:
    memory = MemorySamples(os.getpid())
    memory.samples = [(0, 10), (60, 100), (120, 100), (180, 108)]
    assert memory.drift(60) == pytest.approx(0.08)
    assert memory.drift(1000) == 0
    assert memory.peak == 108


def test_texts_differ_and_are_the_same_every_time(tmp_path: Path) -> None:
    sentences = read_sentences(None, "en", 300)
    assert len(set(sentences)) == 300
    texts = join_into_texts(sentences, 50, seed=1)
    assert len(set(texts)) == 50
    assert texts == join_into_texts(sentences, 50, seed=1)
    (tmp_path / "dev.de").write_text("eins\n\nzwei\neins\ndrei\n", encoding="utf-8")
    assert read_sentences(tmp_path, "de", 2) == ["eins", "zwei"]
    with pytest.raises(FileNotFoundError, match=r"devtest\.en"):
        read_sentences(tmp_path, "en", 2)


def test_a_configuration_as_toml() -> None:
    tables: Tables = {"server": {"listen": "a:1", "x": None, "y": True}, "models": [{"bundle": 'b"'}, {"bundle": "c"}]}
    assert write_toml(tables) == (
        '[server]\nlisten = "a:1"\ny = true\n[[models]]\nbundle = "b\\""\n[[models]]\nbundle = "c"\n'
    )


def test_outcomes_as_markdown() -> None:
    table = render_markdown([Outcome("idle", "a call", 2.5, "ms", goal="≤ 3", is_met=True)])
    assert table.splitlines()[-1] == "| idle | a call | 2.5 | ms | ≤ 3 | met |"
