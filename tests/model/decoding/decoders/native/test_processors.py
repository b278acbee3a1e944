"""Which kinds of processors there are, and which a machine's is."""

import platform
import sys

import pytest

from dragoman.model.decoding.decoders.native import processors
from dragoman.model.decoding.decoders.native.processors import (
    best_variant,
    processor_features,
    usable_variants,
)
from dragoman.model.errors import InvalidInputError

AVX512 = ("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl")


@pytest.fixture(autouse=True)
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever variant the tests are run with."""
    monkeypatch.delenv("DRAGOMAN_PROCESSOR", raising=False)


def use_processor(monkeypatch: pytest.MonkeyPatch, machine: str, *features: str) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(processors, "processor_features", lambda: frozenset(features))


@pytest.mark.parametrize(
    ("machine", "features", "name"),
    [
        ("x86_64", (), "plain"),
        ("x86_64", ("sse2", "avx2"), "plain"),  # no fma
        ("x86_64", ("sse2", "avx2", "fma"), "avx2"),
        ("x86_64", AVX512, "avx2"),  # no 8-bit products
        ("x86_64", (*AVX512, "avx512_vnni"), "avx512-vnni"),
        ("x86_64", (*AVX512, "avx512_vnni", "avx_vnni"), "avx512-vnni"),
        ("AMD64", ("sse2", "avx2", "fma", "avx_vnni"), "avx2-vnni"),
        ("aarch64", (), "plain"),
        ("aarch64", ("asimddp",), "neon-dotprod"),
        ("aarch64", ("i8mm",), "plain"),
        ("arm64", ("asimddp", "i8mm"), "neon-i8mm"),
        ("riscv64", ("avx2", "fma"), "plain"),
    ],
)
def test_the_variant_is_the_best_that_the_processor_can_run(
    machine: str, features: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_processor(monkeypatch, machine, *features)
    assert best_variant().name == name
    assert usable_variants()[-1].name == "plain"


def test_a_variant_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    use_processor(monkeypatch, "x86_64", *AVX512, "avx512_vnni")
    for name in ("plain", "avx2", "avx512-vnni"):
        monkeypatch.setenv("DRAGOMAN_PROCESSOR", name)
        assert [variant.name for variant in usable_variants()] == [name]
    monkeypatch.setenv("DRAGOMAN_PROCESSOR", "")
    assert best_variant().name == "avx512-vnni"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("6502", r"\$DRAGOMAN_PROCESSOR is 6502; for x86_64 there are avx512-vnni, avx2-vnni, avx2, plain"),
        ("neon-i8mm", r"\$DRAGOMAN_PROCESSOR is neon-i8mm; for x86_64 there are avx512-vnni, avx2-vnni, avx2, plain"),
        ("avx2-vnni", r"\$DRAGOMAN_PROCESSOR is avx2-vnni, but this processor lacks avx_vnni, fma"),
    ],
)
def test_one_that_cannot_be_had_is_refused(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_processor(monkeypatch, "x86_64", "avx2")
    monkeypatch.setenv("DRAGOMAN_PROCESSOR", name)
    with pytest.raises(InvalidInputError, match=f"^{message}$"):
        usable_variants()


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="reads what Linux lists on x86")
def test_the_processor_tells_its_instructions() -> None:
    assert "sse2" in processor_features()
