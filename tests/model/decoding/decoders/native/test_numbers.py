"""The same numbers by every kind of processor: numbers.cpp, compiled for each, run here or in an emulator.

For ARM a cross compiler and QEMU are needed (apt-get install g++-aarch64-linux-gnu qemu-user).
"""

import platform
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from dragoman.model.decoding.decoders.native import build
from dragoman.model.decoding.decoders.native.processors import VARIANTS, Variant, processor_features

SOURCE = Path(__file__).parent / "processors" / "numbers.cpp"
ON_X86 = platform.machine() == "x86_64"
CROSS_COMPILER, ARM_EMULATOR, X86_EMULATOR = map(shutil.which, ("aarch64-linux-gnu-g++", "qemu-aarch64", "qemu-x86_64"))
BY_NAME = {variant.name: variant for variant in VARIANTS} | {
    "neon": Variant("neon", "aarch64", frozenset(), ()),  # plain, on ARM
    # What AVX-VNNI does, in AVX-512's encoding: no emulator knows the other one.
    "avx2-vnni*": Variant(
        "avx2-vnni*",
        "x86_64",
        frozenset({"avx2", "fma", "avx512vl", "avx512_vnni"}),
        ("-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512vnni"),
    ),
}
ARM_PROCESSORS = {"neon": "cortex-a72", "neon-dotprod": "cortex-a76", "neon-i8mm": "max"}
X86 = ("avx512-vnni", "avx2-vnni", "avx2-vnni*", "avx2", "plain")

ALWAYS = ("weights", "products")
"""Integers: equal bits everywhere."""
ROUNDED_ONCE = (*ALWAYS, "quantized", "floats")
"""Equal bits with every processor that has a fused multiply-add."""
ALIKE = (*ROUNDED_ONCE, "functions")
"""Equal bits where 2^x is computed alike: all but AVX-512."""
ALL = (*ALIKE, "attention", "attention-bfloat16")
"""Equal bits where vectors have one length: their lanes are summed at the end."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


def compile_numbers(name: str, programs: Path) -> Path:
    """Skips the test where there is no compiler."""
    variant, program = BY_NAME[name], programs / name
    is_arm = variant.family == "aarch64"
    native = build.find_compiler() if is_arm == (platform.machine() == "aarch64") else None
    compiler = native or ([CROSS_COMPILER] if is_arm and CROSS_COMPILER else None)
    if compiler is None or not (is_arm or ON_X86):
        pytest.skip("needs a compiler for it")
    if not program.exists():
        flags = [flag for flag in build.FLAGS if flag not in ("-O3", "-fPIC", "-shared")]
        include = f"-I{build.DECODING.folder}"
        command = [*compiler, "-O2", "-static", *flags, *variant.flags, include, str(SOURCE), "-o", str(program)]
        subprocess.run(command, check=True)
    return program


def run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@cache
def digests(name: str, programs: Path) -> dict[str, str]:
    """By step. The program has compared every number with its slow twin."""
    variant = BY_NAME[name]
    if variant.family == "aarch64" and platform.machine() != "aarch64":
        if not ARM_EMULATOR:
            pytest.skip("needs qemu-aarch64")
        emulator = [ARM_EMULATOR, "-cpu", ARM_PROCESSORS[name]]
    elif variant.features <= processor_features():
        emulator = []
    else:
        pytest.skip("this processor cannot run it")
    done = run([*emulator, compile_numbers(name, programs)])
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("name", "other", "steps"),
    [
        ("avx512-vnni", "avx2", ROUNDED_ONCE),
        ("avx2-vnni*", "avx2", ALL),
        ("avx2-vnni", "avx2", ALL),
        ("plain", "avx2", ALWAYS),
        ("neon", "avx2", ALIKE),
        ("neon-dotprod", "neon", ALL),
        ("neon-i8mm", "neon", ALL),
    ],
)
def test_two_kinds_of_processors_agree_to_the_bit(
    name: str, other: str, steps: tuple[str, ...], programs: Path
) -> None:
    """Where that is promised, see the room's README."""
    found, due = digests(name, programs), digests(other, programs)
    assert sorted(found) == sorted(ALL)
    assert {step: found[step] for step in steps} == {step: due[step] for step in steps}


@pytest.mark.parametrize("name", ["neon", "neon-dotprod", "neon-i8mm"])
def test_arm_computes_all_numbers(name: str, programs: Path) -> None:
    """Also where there is no AVX2 to compare with."""
    assert sorted(digests(name, programs)) == sorted(ALL)


@pytest.mark.skipif(not (ON_X86 and X86_EMULATOR), reason="needs qemu-x86_64")
@pytest.mark.parametrize(
    ("name", "processor", "is_able"),
    [
        ("plain", "Nehalem", True),
        ("avx2", "Nehalem", False),
        ("avx2", "SandyBridge", False),  # AVX alone
        ("avx2", "Haswell", True),
        ("avx2-vnni", "Haswell", False),
        ("avx512-vnni", "Haswell", False),
    ],
)
def test_a_processor_says_what_it_lacks(name: str, processor: str, is_able: bool, programs: Path) -> None:
    """In place of a signal for an illegal instruction."""
    program = compile_numbers(name, programs)
    done = run([str(X86_EMULATOR), "-cpu", processor, program])
    if is_able:
        assert (done.returncode, len(done.stdout.splitlines())) == (0, len(ALL)), done.stdout
    else:
        assert (done.returncode, done.stdout) == (2, "the processor lacks instructions\n")
