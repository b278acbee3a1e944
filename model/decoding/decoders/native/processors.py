"""The kinds of processors that kernels are compiled for, and the ones that this machine's processor can run."""

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from dragoman.model.errors import InvalidInputError

PROCESSOR_VARIABLE = "DRAGOMAN_PROCESSOR"
"""The environment variable that names the variant to use, for equal bits on machines that differ."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of processor. family: `family`'s name, empty for any; features: Linux's names of the instructions that
    it must have; flags: the compiler's."""

    name: str
    family: str
    features: frozenset[str]
    flags: tuple[str, ...]


PLAIN = Variant("plain", "", frozenset(), ())
"""For any processor of any family. Of ARM's 64-bit ones it uses NEON, which they all have."""

VARIANTS = (
    Variant(
        "avx512-vnni",
        "x86_64",
        frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma"}),
        ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mfma", "-mprefer-vector-width=512"),
    ),
    Variant("avx2-vnni", "x86_64", frozenset({"avx2", "fma", "avx_vnni"}), ("-mavx2", "-mfma", "-mavxvnni")),
    Variant("avx2", "x86_64", frozenset({"avx2", "fma"}), ("-mavx2", "-mfma")),
    Variant("neon-i8mm", "aarch64", frozenset({"asimddp", "i8mm"}), ("-march=armv8.2-a+dotprod+i8mm",)),
    Variant("neon-dotprod", "aarch64", frozenset({"asimddp"}), ("-march=armv8.2-a+dotprod",)),
    PLAIN,
)
"""Best first."""


def family() -> str:
    """The machine's family under one name on all systems."""
    machine = platform.machine()
    return {"AMD64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def variants_of_family() -> tuple[Variant, ...]:
    """All variants for processors of this machine's family, best first."""
    return tuple(variant for variant in VARIANTS if variant.family in ("", family()))


def usable_variants() -> tuple[Variant, ...]:
    """Those that this processor can run, best first, or only the one that $DRAGOMAN_PROCESSOR names.

    Raises InvalidInputError if that one is unknown or cannot run here.
    """
    of_family, features = variants_of_family(), processor_features()
    chosen = os.environ.get(PROCESSOR_VARIABLE)
    if not chosen:
        return tuple(variant for variant in of_family if variant.features <= features)
    variant = next((variant for variant in of_family if variant.name == chosen), None)
    if variant is None:
        raise InvalidInputError(
            f"${PROCESSOR_VARIABLE} is {chosen}; for {family()} there are {', '.join(one.name for one in of_family)}"
        )
    if missing := sorted(variant.features - features):
        raise InvalidInputError(f"${PROCESSOR_VARIABLE} is {chosen}, but this processor lacks {', '.join(missing)}")
    return (variant,)


def best_variant() -> Variant:
    """The first of `usable_variants`."""
    return usable_variants()[0]


def processor_features() -> frozenset[str]:
    """The instruction sets of this processor under Linux's names; empty where the system does not list them."""
    if family() == "aarch64":
        return _arm_features()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def _arm_features() -> frozenset[str]:
    """Those of ARM's 64-bit processors that the kernels can use, from the C library."""
    library = ctypes.CDLL(None)
    if sys.platform == "darwin":
        names = {"asimddp": b"hw.optional.arm.FEAT_DotProd", "i8mm": b"hw.optional.arm.FEAT_I8MM"}
        value, size = ctypes.c_int(0), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
        return frozenset(
            name
            for name, key in names.items()
            if library.sysctlbyname(key, ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)) == 0
            and value.value
        )
    library.getauxval.argtypes, library.getauxval.restype = [ctypes.c_ulong], ctypes.c_ulong
    # AT_HWCAP with HWCAP_ASIMDDP, AT_HWCAP2 with HWCAP2_I8MM
    bits = {"asimddp": (16, 1 << 20), "i8mm": (26, 1 << 13)}
    return frozenset(name for name, (kind, bit) in bits.items() if library.getauxval(kind) & bit)
