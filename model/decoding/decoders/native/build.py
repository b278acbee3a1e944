"""Compiles kernels with the machine's own C++ compiler, once, keeps the library for the next time, and opens it.

A library is named after its sources and the instructions that it uses, so that an old one is never taken for a new one,
and machines of several kinds may share a folder. It ends with a digest of itself, since opening a truncated library
would kill the process. `python -m dragoman.model.decoding.decoders.native.build` compiles ahead of time for this
machine, or with --all for all machines of its family: for an image without a compiler. A wheel can bring libraries.
"""

import contextlib
import ctypes
import errno
import hashlib
import logging
import os
import platform
import shlex
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman.model.decoding.decoders.native.processors import (
    PLAIN,
    PROCESSOR_VARIABLE,
    Variant,
    best_variant,
    family,
    usable_variants,
    variants_of_family,
)
from dragoman.model.errors import InvalidInputError

FOLDER_VARIABLE = "DRAGOMAN_KERNELS"
"""The environment variable that names the folder of compiled kernels."""

PACKAGED_FOLDER = Path(__file__).parent / "compiled"
"""Libraries that a wheel has brought, see setup.py; it is only read."""

# No contraction except where the code asks for it: otherwise the compiler may round one row unlike another.
FLAGS = ("-std=c++20", "-O3", "-ffp-contract=off", "-pthread", "-fPIC", "-shared")

NO_COMPILER = "there is no C++ compiler: install g++ (apt-get install g++) or clang++, or name one in $CXX"

COMPILE_SECONDS = 600
"""A compilation that takes longer is killed."""

_UNKNOWN_FLAG = ("unrecognized command-line option", "unknown argument", "invalid feature modifier")
"""What GCC and Clang say about a flag that they do not know."""

_SCRATCH = "compiling-"
"""Prefix of the folders in which libraries are compiled."""

_DIGEST_MARK = b"dragoman kernels sha256 "

Signatures = Mapping[str, tuple[Any, Sequence[Any]]]
"""The types of each function's result and arguments, by its name without "dragoman_"."""

Structures = Sequence[type[ctypes.Structure]]

MAX_STRUCTURES = 16
"""The functions of every library."""

logger = logging.getLogger(__name__)


class CompilerError(RuntimeError):
    """A compiler that failed or took too long. Its message is one line."""


class FlagError(CompilerError):
    """A compiler that is too old for a variant's flags."""


class ProcessorError(RuntimeError):
    """A library with instructions that the processor lacks, whatever the system lists."""


class UnwritableError(OSError):
    """A folder in which no library can be written."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """A library: its name, the folder of its sources (api.cpp includes the rest), its purpose and the time without it,
    both for log messages, other folders that it includes from, and more flags for the compiler."""

    name: str
    folder: Path
    purpose: str
    without: str = "takes longer"
    includes: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()

    def sources(self) -> list[Path]:
        """All source files of the library, in a fixed order."""
        return sorted(path for folder in (self.folder, *self.includes) for path in folder.iterdir())


# Measured with the bundled model on one core: 3 to 4 times for many texts at once, 6 to 10 times for single ones.
DECODING = Kernels("kernels", Path(__file__).parent / "kernels", "translating", "takes three to ten times as long")


FAILURES = (OSError, RuntimeError, ValueError)
"""The errors of compiling."""


def find_and_open(kernels: Kernels, signatures: Signatures, structures: Structures) -> Any:
    """The library of the best variant that compiler and processor can do, compiled if necessary; None, with a warning
    in the log, if there is none. Raises InvalidInputError if the one that is asked for by name cannot be run.

    If libraries of a folder cannot be loaded, for instance from a noexec mount, the private folder is used.
    """
    variants = usable_variants()
    for variant in variants:
        try:
            library = _find_and_open(variant, kernels, signatures, structures)
        except (FlagError, ProcessorError) as error:
            if os.environ.get(PROCESSOR_VARIABLE):
                raise InvalidInputError(f"${PROCESSOR_VARIABLE} is {variant.name}, but {error}") from error
            logger.info("the kernels for %s are not used: %s", variant.name, error)
            continue
        if library and variant == PLAIN and family() == "x86_64" and not os.environ.get(PROCESSOR_VARIABLE):
            logger.warning("this processor has no AVX2: %s takes about twice as long as with it", kernels.purpose)
        return library
    return None


def _find_and_open(variant: Variant, kernels: Kernels, signatures: Signatures, structures: Structures) -> Any:
    unusable: list[Path] = []
    while (path := find_library(kernels, variant, unusable=unusable)) is not None:
        try:
            return open_library(path, signatures, structures)
        except (OSError, AttributeError) as error:
            logger.warning("the compiled kernels cannot be loaded: %s", error)
            unusable.append(path.parent)
    return None


def open_library(path: Path, signatures: Signatures, structures: Structures) -> Any:
    """structures: in the order of the library's `dragoman_sizes`.

    Raises OSError or AttributeError if the file is no library with these functions, or if its structures have other
    sizes: it would read and write memory that is not its own; ProcessorError before the processor meets an instruction
    that it lacks.
    """
    library = ctypes.CDLL(str(path))
    if library.dragoman_lacks_instructions():
        raise ProcessorError("the processor lacks some of its instructions")
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"dragoman_{name}")
        function.restype, function.argtypes = result, arguments
    due = [ctypes.sizeof(structure) for structure in structures]
    sizes = (ctypes.c_int64 * MAX_STRUCTURES)()
    found = list(sizes[: library.dragoman_sizes(sizes)])
    if found != due:
        raise OSError(f"{path}: its structures have {found} bytes in place of {due}")
    return library


def find_library(kernels: Kernels, variant: Variant | None = None, *, unusable: Collection[Path] = ()) -> Path | None:
    """The compiled kernels of a variant, or the best one for this processor, compiled now if necessary; None, with a
    warning in the log, if there is no compiler or it fails. Raises FlagError for one that is too old.

    unusable: folders to skip. Kernels lie in PACKAGED_FOLDER, in `kernel_folder`, or if that is not writable in
    `private_folder`.
    """
    variant = variant or best_variant()
    try:
        name = library_name(variant, kernels)
        folders = [folder for folder in _folders() if folder not in unusable]
        for folder in (PACKAGED_FOLDER, *folders):
            if folder not in unusable and is_whole(folder / name):
                return folder / name
        compiler = find_compiler()
        if compiler is None:
            logger.warning("%s: %s with torch alone, which %s", NO_COMPILER, kernels.purpose, kernels.without)
            return None
        if folders:
            return _compile_into_first(variant, compiler, folders, kernels)
        logger.warning("no folder is left for compiled kernels; name one for programs in $%s", FOLDER_VARIABLE)
    except FlagError:
        raise
    except FAILURES as error:
        logger.warning(
            "the kernels are not compiled: %s with torch alone, which %s: %s",
            kernels.purpose,
            kernels.without,
            error,
        )
    return None


def _compile_into_first(variant: Variant, compiler: list[str], folders: Sequence[Path], kernels: Kernels) -> Path:
    """Compiles into the first folder that can be written; the log names those that cannot. folders: at least one.

    Raises what `compile_library` raises.
    """
    for folder in folders:
        try:
            return compile_library(variant, compiler, folder, kernels)
        except UnwritableError as error:
            logger.warning("compiled kernels cannot be kept in %s: %s", folder, error)
            reason = error
    raise reason


def _folders() -> list[Path]:
    """The folders of compiled kernels, the preferred one first; a user without a home has the private one alone."""
    try:
        return [kernel_folder(), private_folder()]
    except RuntimeError:
        return [private_folder()]


def kernel_folder() -> Path:
    """The folder of compiled kernels, absolute: $DRAGOMAN_KERNELS, or the user's cache. Raises RuntimeError without a
    home folder."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen).absolute()
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "dragoman"


def private_folder() -> Path:
    """A folder below the temporary one, for this user alone, where `kernel_folder` cannot be used."""
    return Path(tempfile.gettempdir(), f"dragoman-kernels-{os.getuid() if hasattr(os, 'getuid') else os.getlogin()}")


def library_name(variant: Variant, kernels: Kernels) -> str:
    """Differs for other sources, flags and processors."""
    digest = hashlib.sha256(" ".join((*FLAGS, *kernels.flags, *variant.flags)).encode())
    for source in kernels.sources():
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return f"{kernels.name}-{platform.machine()}-{variant.name}-{digest.hexdigest()[:16]}.so"


def find_compiler() -> list[str] | None:
    """The command of the C++ compiler: $CXX, or the first one found. Raises ValueError for unpaired quotes."""
    if chosen := os.environ.get("CXX"):
        try:
            return shlex.split(chosen)
        except ValueError as error:
            raise ValueError(f"$CXX is {chosen}: {error}") from error
    found = next(filter(None, map(shutil.which, ("g++", "c++", "clang++"))), None)
    return [found] if found else None


def compile_library(variant: Variant, compiler: list[str], folder: Path, kernels: Kernels) -> Path:
    """Compiles one variant into the folder, unless another process has done so meanwhile.

    Raises UnwritableError if the folder is not writable, OSError for another reason, or CompilerError.
    """
    library = folder / library_name(variant, kernels)
    with _locked(folder):
        if is_whole(library):
            return library
        logger.warning("compiling the kernels for %s into %s, once, about ten seconds", kernels.purpose, folder)
        with _unwritable():
            for leftover in folder.glob(f"{_SCRATCH}*"):  # of a compilation that was killed: this one has the lock
                shutil.rmtree(leftover, ignore_errors=True)
            scratch = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder)
        with scratch:
            fresh = Path(scratch.name) / library.name
            _compile(variant, compiler, kernels, fresh)
            if library_name(variant, kernels) != library.name:
                raise OSError("the sources of the kernels were changed while they were compiled")
            with _unwritable():
                with fresh.open("ab") as file:
                    file.write(_DIGEST_MARK + hashlib.sha256(fresh.read_bytes()).digest())
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(library)  # at once: another process that loads it meets a whole one
    return library


def _compile(variant: Variant, compiler: list[str], kernels: Kernels, output: Path) -> None:
    flags = [*FLAGS, *kernels.flags, *variant.flags, *(f"-I{include}" for include in kernels.includes)]
    import subprocess  # few processes compile

    command = [*compiler, *flags, str(kernels.folder / "api.cpp"), "-o", str(output)]
    environment = os.environ | {"LC_ALL": "C"}
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS,
            env=environment,
            errors="replace",
        )
    except subprocess.CalledProcessError as error:
        if os.strerror(errno.ENOSPC) in error.stderr:
            raise UnwritableError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(output.parent.parent)) from error
        reason = _first_error(error.stderr, f"{compiler[0]} ended with {error.returncode}")
        is_too_old = any(words in reason for words in _UNKNOWN_FLAG) and any(flag in reason for flag in variant.flags)
        raise (FlagError if is_too_old else CompilerError)(reason) from error
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"{compiler[0]} took longer than {COMPILE_SECONDS} seconds") from error


def is_whole(library: Path) -> bool:
    """Whether a library exists and ends with its digest."""
    try:
        content = library.read_bytes()
    except OSError:
        return False
    size = len(content) - len(_DIGEST_MARK) - hashlib.sha256().digest_size
    return size >= 0 and content[size:] == _DIGEST_MARK + hashlib.sha256(content[:size]).digest()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Makes the folder, for this user alone, and holds its lock: of several processes one compiles, the others wait.

    Raises UnwritableError if it cannot be made, or is somebody else's private folder.
    """
    with _unwritable():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder == private_folder() and hasattr(os, "getuid"):
            status = folder.lstat()
            if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o022:
                raise PermissionError(errno.EPERM, "others can write there", str(folder))
        handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError, ImportError):  # a file system without locks: then each compiles for itself
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _unwritable() -> Iterator[None]:
    """Raises UnwritableError in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise UnwritableError(*error.args[:2], *([error.filename] if error.filename else [])) from error


def _first_error(output: str, ending: str) -> str:
    """One line: the compiler's first error, but not that the linker failed, which gives no reason."""
    lines = [line for line in output.splitlines() if not line.startswith("collect2: ")]
    of_errors = [line for line in lines if "error:" in line]
    return next(iter(of_errors or lines), f"{ending} and said nothing")


def main(arguments: list[str] | None = None) -> int:
    """Compiles ahead of time; see the module. Prints the paths of the libraries."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m dragoman.model.decoding.decoders.native.build", description="Compiles the kernels."
    )
    parser.add_argument("--all", action="store_true", help="for every kind of processor of this machine's family")
    is_for_all = parser.parse_args(arguments).all
    try:
        variants = variants_of_family() if is_for_all else usable_variants()
        # A folder that was named must be the one: an image takes its kernels from there.
        folders = [kernel_folder()] if os.environ.get(FOLDER_VARIABLE) else _folders()
        compiler = find_compiler()
        for variant in variants:
            name = library_name(variant, DECODING)
            ready = folders if os.environ.get(FOLDER_VARIABLE) else [PACKAGED_FOLDER, *folders]
            library = next((folder / name for folder in ready if is_whole(folder / name)), None)
            if library is None:
                if compiler is None:
                    raise OSError(NO_COMPILER)
                try:
                    library = _compile_into_first(variant, compiler, folders, DECODING)
                except FlagError as error:
                    print(f"not for {variant.name}: {error}", file=sys.stderr)
                    continue
            print(library)
            if not is_for_all:
                break
    except (*FAILURES, InvalidInputError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
