"""Compiles kernels with the machine's own C++ compiler, once, and keeps the library for the next time.

A library is named after its sources and the instructions that it uses, so that an old one is never taken for a new one,
and a folder may be shared by machines of several kinds. `python -m dragoman.model.decoding.decoders.native.build`
compiles beforehand what this machine needs, with --all what any of its family needs: for an image without a compiler.
"""

import argparse
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER_VARIABLE = "DRAGOMAN_KERNELS"
"""The environment variable that names the folder of compiled kernels."""

# No contraction but where the code asks for it: the compiler would else round one row unlike another.
FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-pthread", "-fPIC", "-shared")

NO_COMPILER = "there is no C++ compiler: install g++ or clang++, or name one in $CXX"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kernels:
    """A library: its name, the folder of its sources, of which api.cpp includes the rest, what is the slower for being
    without it, other folders that it includes from, and more flags for the compiler."""

    name: str
    folder: Path
    purpose: str
    includes: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()

    def sources(self) -> list[Path]:
        """All that the library is made from, in a fixed order."""
        return sorted(path for folder in (self.folder, *self.includes) for path in folder.iterdir())


DECODING = Kernels("kernels", Path(__file__).parent / "kernels", "translating")


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of processor. features: what Linux calls the instructions that it must have; flags: the compiler's."""

    name: str
    features: frozenset[str]
    flags: tuple[str, ...]


VARIANTS = (
    Variant(
        "avx512-vnni",
        frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma"}),
        ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mfma", "-mprefer-vector-width=512"),
    ),
    Variant("avx2", frozenset({"avx2", "fma"}), ("-mavx2", "-mfma")),
    Variant("plain", frozenset(), ()),
)
"""Best first; the last one runs on any processor."""


FAILURES = (OSError, RuntimeError, ValueError, subprocess.CalledProcessError)
"""What may come of compiling: see `failure_reason`."""


def find_library(kernels: Kernels, *, anew: bool = False) -> Path | None:
    """The compiled kernels for this processor, compiled now if need be, or in any case if `anew`; None, with a warning
    in the log, if there is no compiler or it fails."""
    try:
        variant, folder = best_variant(), kernel_folder()
        library = folder / library_name(variant, kernels)
        if library.exists() and not anew:
            return library
        compiler = find_compiler()
        if compiler is None:
            logger.warning("%s: %s needs torch, and takes longer", NO_COMPILER, kernels.purpose)
            return None
        return compile_library(variant, compiler, folder, kernels)
    except FAILURES as error:
        reason = failure_reason(error)
        logger.warning("the kernels are not compiled, so %s needs torch, and takes longer: %s", kernels.purpose, reason)
        return None


def best_variant() -> Variant:
    """The first that this processor can run."""
    return next(variant for variant in VARIANTS if variant.features <= processor_features())


def processor_features() -> frozenset[str]:
    """The instruction sets of this processor, as Linux lists them; nothing where it does not."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def kernel_folder() -> Path:
    """Where compiled kernels are kept: $DRAGOMAN_KERNELS, or the user's cache. Raises RuntimeError if there is no home
    for that."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "dragoman"


def library_name(variant: Variant, kernels: Kernels) -> str:
    """Differs for other sources, flags and processors."""
    digest = hashlib.sha256(" ".join((*FLAGS, *kernels.flags, *variant.flags)).encode())
    for source in kernels.sources():
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return f"{kernels.name}-{platform.machine()}-{variant.name}-{digest.hexdigest()[:16]}.so"


def find_compiler() -> list[str] | None:
    """The command of the C++ compiler: $CXX, or the first that is found. Raises ValueError for unpaired quotes."""
    if chosen := os.environ.get("CXX"):
        try:
            return shlex.split(chosen)
        except ValueError as error:
            raise ValueError(f"$CXX is {chosen}: {error}") from error
    found = next(filter(None, map(shutil.which, ("g++", "c++", "clang++"))), None)
    return [found] if found else None


def compile_library(variant: Variant, compiler: list[str], folder: Path, kernels: Kernels) -> Path:
    """Compiles one variant into the folder. Raises OSError, or CalledProcessError with what the compiler said."""
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / library_name(variant, kernels)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        fresh = Path(scratch) / library.name
        flags = [*FLAGS, *kernels.flags, *variant.flags, *(f"-I{include}" for include in kernels.includes)]
        command = [*compiler, *flags, str(kernels.folder / "api.cpp"), "-o", str(fresh)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        if library_name(variant, kernels) != library.name:
            raise OSError("the sources of the kernels were changed while they were compiled")
        fresh.replace(library)  # at once: whoever else compiles or loads it meets a whole one
    return library


def failure_reason(error: Exception) -> str:
    """One line: of what a compiler says, its first error."""
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    lines = error.stderr.splitlines()
    of_errors = [line for line in lines if "error:" in line]
    return next(iter(of_errors or lines), f"{error.cmd[0]} ended with {error.returncode} and said nothing")


def main(arguments: list[str] | None = None) -> int:
    """Compiles beforehand; see the module. Prints where the libraries are."""
    parser = argparse.ArgumentParser(
        prog="python -m dragoman.model.decoding.decoders.native.build", description="Compiles the kernels."
    )
    parser.add_argument("--all", action="store_true", help="for every kind of processor of this machine's family")
    is_for_all = parser.parse_args(arguments).all
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    of_family = [variant for variant in VARIANTS if is_x86 or not variant.features]
    try:
        folder, compiler = kernel_folder(), find_compiler()
        for variant in of_family if is_for_all else [best_variant()]:
            library = folder / library_name(variant, DECODING)
            if not library.exists():
                if compiler is None:
                    raise OSError(NO_COMPILER)
                compile_library(variant, compiler, folder, DECODING)
            print(library)
    except FAILURES as error:
        print(failure_reason(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
