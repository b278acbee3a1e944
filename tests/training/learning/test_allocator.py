"""The memory of training: what reaches the C library, and the region of large tensors, in a process of its own."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dragoman.training.learning import allocator
from dragoman.training.learning.allocator import keep_freed_memory
from dragoman.training.learning.native.library import load_memory


@pytest.fixture(autouse=True)
def no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "load_memory", lambda: None)


def test_thresholds_reach_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda parameter, value: calls.append((parameter, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", "linux")

    keep_freed_memory()

    assert calls == [(-3, 2**30), (-1, 2**31 - 1)]  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    keep_freed_memory()


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("the C library was opened"))
    keep_freed_memory()


CHURN = """
import os, random, threading
import torch
from dragoman.training.learning.allocator import keep_freed_memory

torch.set_num_threads(1)  # OpenMP's threads do not outlive a fork
before = torch.arange(100_000)  # lies elsewhere, and is freed as it was taken
keep_freed_memory()
first = torch.empty(1 << 20).data_ptr()
kept = torch.full((1 << 20,), 5)
keep_freed_memory()  # again: nothing changes, and what lies there is freed as it was taken
assert bool((kept == 5).all())
del kept

def churn(seed):
    draws, held = random.Random(seed), []
    for step in range(2_000):
        if held and draws.random() < 0.5:
            number, tensor = held.pop(draws.randrange(len(held)))
            assert bool((tensor == number).all()), "another tensor has written here"
        else:
            held.append((step, torch.full((draws.randrange(1, 200_000),), step)))
            assert held[-1][1].data_ptr() % 64 == 0
    return held

threads = [threading.Thread(target=churn, args=(seed,)) for seed in range(3)]
for thread in threads:
    thread.start()
held = churn(3)
for thread in threads:
    thread.join()
child = os.fork()
if not child:
    assert torch.full((1 << 20,), 7).sum() == 7 << 20
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
del held, before
whole = torch.empty(1 << 28, dtype=torch.uint8)  # no gap is lost: what was freed is one again
assert whole.data_ptr() == first, (whole.data_ptr(), first)
assert torch.empty(0).numel() == 0
grown = torch.ones(50_000).resize_(500_000)
assert bool((grown[:50_000] == 1).all())
try:
    torch.empty(1 << 50, dtype=torch.uint8)
except RuntimeError as error:
    assert "memory" in str(error)
else:
    raise AssertionError("so much memory there is not")
print("whole")
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or load_memory() is None, reason="needs Linux and a C++ compiler"
)
def test_large_tensors_share_a_region_whose_gaps_join() -> None:
    ended = subprocess.run([sys.executable, "-P", "-c", CHURN], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("whole\n", 0), ended.stderr
