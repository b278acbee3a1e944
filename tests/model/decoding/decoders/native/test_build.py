"""Compiling the kernels: where libraries lie, what they are called, and what is told where they cannot be had. Most
tests compile a stand-in of one line, which takes a moment."""

import ctypes
import dataclasses
import platform
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dragoman.model.decoding.decoders.native import build
from dragoman.model.decoding.decoders.native.build import (
    find_compiler,
    find_library,
    kernel_folder,
    library_name,
    main,
)
from dragoman.model.decoding.decoders.native.processors import PLAIN, VARIANTS, Variant, best_variant

ROOT = Path(__file__).parents[5]
X86, ARM = ([one for one in VARIANTS if one.family in (family, "")] for family in ("x86_64", "aarch64"))

pytestmark = pytest.mark.skipif(not find_compiler(), reason="needs a C++ compiler")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the kernels' sources."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "answer.h").write_text("constexpr int ANSWER = 42;\n")
    (folder / "api.cpp").write_text('#include "answer.h"\nextern "C" int answer() { return ANSWER; }\n')
    monkeypatch.setattr(build, "DECODING", dataclasses.replace(build.DECODING, folder=folder))
    return folder


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for compiled kernels, which is not there yet."""
    monkeypatch.setenv(build.FOLDER_VARIABLE, str(tmp_path / "some" / "kernels"))
    return tmp_path / "some" / "kernels"


@pytest.fixture(autouse=True)
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever variant the tests are run with."""
    monkeypatch.delenv("DRAGOMAN_PROCESSOR", raising=False)


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is used where the other one cannot be written; it is not there yet."""
    monkeypatch.setattr(build, "private_folder", lambda: tmp_path / "private")
    return tmp_path / "private"


def answer(library: Path) -> int:
    number: int = ctypes.CDLL(str(library)).answer()
    return number


def test_the_sources_are_part_of_the_package() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = configuration["tool"]["setuptools"]["package-data"]["dragoman.model.decoding.decoders.native"]
    packaged = {path for pattern in patterns for path in build.DECODING.folder.parent.glob(pattern)}
    assert build.DECODING.folder / "api.cpp" in packaged
    assert packaged >= set(build.DECODING.folder.iterdir())


# Names and folders


def test_the_name_tells_sources_flags_and_processors_apart(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [library_name(variant, build.DECODING) for variant in VARIANTS]
    names.append(library_name(dataclasses.replace(PLAIN, flags=("-g",)), build.DECODING))
    (sources / "answer.h").write_text("constexpr int ANSWER = 43;\n")
    names.append(library_name(PLAIN, build.DECODING))
    (sources / "answer.h").rename(sources / "other.h")
    names.append(library_name(PLAIN, build.DECODING))
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-g"))
    names.append(library_name(PLAIN, build.DECODING))
    monkeypatch.setattr("platform.machine", lambda: "abacus")
    names.append(library_name(PLAIN, build.DECODING))
    assert len(set(names)) == len(names) == len(VARIANTS) + 5
    assert names[0].startswith("kernels-")
    assert all(name.endswith(".so") for name in names)


def test_the_folder_is_the_one_in_the_environment_or_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_KERNELS", "/some/kernels")
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/cache")
    assert kernel_folder() == Path("/some/kernels")
    monkeypatch.delenv("DRAGOMAN_KERNELS")
    assert kernel_folder() == Path("/some/cache/dragoman")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert kernel_folder() == Path("/home/someone/.cache/dragoman")


def test_a_library_is_compiled_once(sources: Path, kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = find_library(build.DECODING)
    assert library is not None
    assert library.parent == kernels
    assert answer(library) == 42
    assert [path.name for path in kernels.iterdir()] == [library.name]  # nothing is left over
    monkeypatch.setenv("CXX", "false")  # it would fail now
    assert find_library(build.DECODING) == library


def test_changed_sources_are_compiled_anew(sources: Path, kernels: Path) -> None:
    first = find_library(build.DECODING)
    (sources / "answer.h").write_text("constexpr int ANSWER = 43;\n")
    second = find_library(build.DECODING)
    assert first is not None
    assert second is not None
    assert (answer(first), answer(second)) == (42, 43)


def test_two_processes_that_compile_at_once_leave_one_whole_library(sources: Path, kernels: Path) -> None:
    code = f"""
from dataclasses import replace
from pathlib import Path
from dragoman.model.decoding.decoders.native import build
build.DECODING = replace(build.DECODING, folder=Path({str(sources)!r}))
print(build.find_library(build.DECODING))
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    printed = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert len(printed) == 1
    (library,) = kernels.iterdir()
    assert str(library) in printed
    assert answer(library) == 42


def test_a_library_that_a_wheel_has_brought_needs_no_compiler(
    sources: Path, kernels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = find_compiler()
    assert compiler is not None
    packaged = tmp_path / "packaged"
    brought = build.compile_library(best_variant(), compiler, packaged, build.DECODING)
    monkeypatch.setattr(build, "PACKAGED_FOLDER", packaged)
    monkeypatch.setenv("CXX", "false")
    assert find_library(build.DECODING) == brought
    assert find_library(build.DECODING, unusable=[packaged]) is None
    assert not kernels.exists() or not list(kernels.iterdir())
    brought.write_bytes(brought.read_bytes()[:-1])
    assert find_library(build.DECODING) is None


def test_the_command_names_what_a_wheel_has_brought_unless_a_folder_is_named(
    sources: Path, kernels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compiler = find_compiler()
    assert compiler is not None
    brought = build.compile_library(best_variant(), compiler, tmp_path / "packaged", build.DECODING)
    monkeypatch.setattr(build, "PACKAGED_FOLDER", brought.parent)
    assert main([]) == 0
    assert capsys.readouterr().out == f"{kernels / brought.name}\n"
    monkeypatch.delenv(build.FOLDER_VARIABLE)
    monkeypatch.setenv("CXX", "false")
    assert main([]) == 0
    assert capsys.readouterr().out == f"{brought}\n"


# Where it cannot be done


def assert_unavailable(caplog: pytest.LogCaptureFixture, reason: str) -> None:
    """None, and one line in the log that says why."""
    assert find_library(build.DECODING) is None
    records = [record for record in caplog.records if "about ten seconds" not in record.getMessage()]
    (record,) = records
    assert record.levelname == "WARNING"
    assert reason in record.getMessage()
    assert "torch" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_without_a_compiler(
    sources: Path, kernels: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert_unavailable(
        caplog,
        "there is no C++ compiler: install g++ (apt-get install g++) or clang++, or name one in $CXX: translating with "
        "torch alone, which takes three to ten times as long",
    )
    assert not kernels.exists()


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("false", "false ended with 1 and said nothing"),
        ("no-such-compiler --fast", "No such file or directory: 'no-such-compiler'"),
        ('g++ "-O2', '$CXX is g++ "-O2: No closing quotation'),
        ("sh -c 'echo one >&2; echo x: error: two >&2; exit 3'", "x: error: two"),
        ("sh -c 'echo one >&2; echo two >&2; exit 3'", "one"),
    ],
)
def test_with_a_compiler_that_fails(
    compiler: str,
    reason: str,
    sources: Path,
    kernels: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("CXX", compiler)
    assert_unavailable(caplog, reason)
    assert not kernels.exists() or not list(kernels.iterdir())


def test_with_an_error_in_the_sources(sources: Path, kernels: Path, caplog: pytest.LogCaptureFixture) -> None:
    (sources / "answer.h").write_text("nonsense\n")
    assert_unavailable(caplog, "error: ")


def fill_up(folder: Path) -> None:
    """In place of a folder that cannot be written."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")


def test_where_the_cache_cannot_be_written_a_private_folder_is_used_and_named(
    sources: Path, kernels: Path, private: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill_up(kernels)
    library = find_library(build.DECODING)
    assert library is not None
    assert library.parent == private
    assert answer(library) == 42
    assert private.stat().st_mode & 0o777 == 0o700
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"compiled kernels cannot be kept in {kernels}: ")
    assert second == f"compiling the kernels for translating into {private}, once, about ten seconds"
    caplog.clear()
    assert find_library(build.DECODING) == library
    assert not caplog.records


def test_where_no_folder_can_be_written(
    sources: Path, kernels: Path, private: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill_up(kernels)
    fill_up(private)
    assert find_library(build.DECODING) is None
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3
    assert messages[-1].startswith("the kernels are not compiled: ")
    assert "File exists" in messages[-1]


def test_a_private_folder_that_others_can_write_is_not_used(
    sources: Path, kernels: Path, private: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill_up(kernels)
    private.mkdir()
    private.chmod(0o777)
    assert find_library(build.DECODING) is None
    assert "others can write there" in caplog.records[-1].getMessage()


def test_a_full_disk_is_the_reason(
    sources: Path, kernels: Path, private: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    linker = "ld: final link failed: No space left on device; collect2: error: ld returned 1 exit status"
    monkeypatch.setenv("CXX", f'sh -c \'echo "{linker}" | tr ";" "\\n" >&2; exit 1\'')
    assert find_library(build.DECODING) is None
    messages = [record.getMessage() for record in caplog.records if "about ten" not in record.getMessage()]
    assert len(messages) == 3
    assert all("No space left on device" in message for message in messages)


def test_a_linkers_reason_is_told(
    sources: Path, kernels: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "sh -c 'echo ld: bad section >&2; echo collect2: error: ld returned 1 >&2; exit 1'")
    assert_unavailable(caplog, "ld: bad section")


def test_a_compiler_that_takes_too_long_is_given_up(
    sources: Path, kernels: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(build, "COMPILE_SECONDS", 0.01)
    monkeypatch.setenv("CXX", "sh -c 'exec tail -f /dev/null'")
    assert_unavailable(caplog, "sh took longer than 0.01 seconds")


def test_what_a_killed_compilation_left_is_cleared_away(sources: Path, kernels: Path) -> None:
    (kernels / "compiling-before").mkdir(parents=True)
    (kernels / "compiling-before" / "half.so").write_bytes(b"half")
    library = find_library(build.DECODING)
    assert [*kernels.iterdir()] == [library]


@pytest.mark.parametrize("kept", [0, 1, 1000, -1])
def test_a_truncated_library_is_compiled_anew(kept: int, sources: Path, kernels: Path) -> None:
    library = find_library(build.DECODING)
    assert library is not None
    content = library.read_bytes()
    library.write_bytes(content[:kept])
    assert not build.is_whole(library)
    assert find_library(build.DECODING) == library
    assert build.is_whole(library)


def test_a_folder_named_from_here_is_found_again(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(build.FOLDER_VARIABLE, ".")
    library = find_library(build.DECODING)
    assert library is not None
    assert library.parent == tmp_path  # a name without a folder would be looked for among the system's libraries
    assert answer(library) == 42


def test_a_user_without_a_home_has_the_private_folder(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("DRAGOMAN_KERNELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    library = find_library(build.DECODING)
    assert library is not None
    assert library.parent == build.private_folder()
    assert library.parent.parent == tmp_path
    assert str(library.parent) in caplog.text  # the folder is named


def test_sources_that_change_meanwhile_leave_no_library_with_the_wrong_name(
    sources: Path, kernels: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", f"sh -c 'echo >> {sources}/answer.h; exec g++ \"$@\"' sh")
    assert_unavailable(caplog, "were changed while they were compiled")
    assert not list(kernels.iterdir())


# The command


def test_the_command_compiles_for_this_processor(
    sources: Path, kernels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the second time it is there already
        assert main([]) == 0
        assert capsys.readouterr().out == f"{kernels / library_name(best_variant(), build.DECODING)}\n"
    assert answer(kernels / library_name(best_variant(), build.DECODING)) == 42


@pytest.mark.parametrize(
    ("machine", "variants"), [("x86_64", X86), ("aarch64", ARM), ("arm64", ARM), ("abacus", (PLAIN,))]
)
def test_the_command_compiles_for_all_processors_of_the_family(
    machine: str,
    variants: list[Variant],
    sources: Path,
    kernels: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CXX", "sh -c 'for last; do :; done; echo > \"$last\"' sh")  # of any family
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert main(["--all"]) == 0
    due = [str(kernels / library_name(variant, build.DECODING)) for variant in variants]
    assert capsys.readouterr().out.splitlines() == due
    assert sorted(map(str, kernels.iterdir())) == sorted(due)


def test_the_command_goes_on_where_the_compiler_is_too_old(
    sources: Path, kernels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For one variant's flags, as GCC 10 is for AVX-VNNI."""
    refuse = 'echo "g++: error: unrecognized command-line option $1" >&2; exit 1'
    monkeypatch.setenv("CXX", f"sh -c 'for f; do case $f in -mavxvnni) set -- $f; {refuse};; esac; done; touch $f' sh")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert main(["--all"]) == 0
    printed = capsys.readouterr()
    due = [str(kernels / library_name(variant, build.DECODING)) for variant in X86 if variant.name != "avx2-vnni"]
    assert printed.out.splitlines() == due
    assert printed.err == "not for avx2-vnni: g++: error: unrecognized command-line option -mavxvnni\n"


def test_the_command_refuses_a_processor_that_there_is_not(
    sources: Path, kernels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRAGOMAN_PROCESSOR", "6502")
    assert main([]) == 1
    assert "$DRAGOMAN_PROCESSOR is 6502" in capsys.readouterr().err
    assert not kernels.exists()


def test_the_command_tells_why_it_fails(
    sources: Path, kernels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "false")
    assert main([]) == 1
    assert capsys.readouterr() == ("", "false ended with 1 and said nothing\n")
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert main([]) == 1
    assert "there is no C++ compiler" in capsys.readouterr().err


def test_the_command_takes_the_private_folder_too_unless_one_is_named(
    sources: Path, kernels: Path, private: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_up(kernels)
    assert main([]) == 1
    assert "File exists" in capsys.readouterr().err
    monkeypatch.delenv(build.FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(kernels))
    for _ in range(2):
        assert main([]) == 0
        assert capsys.readouterr().out == f"{private / library_name(best_variant(), build.DECODING)}\n"


def test_the_command_runs_as_a_module() -> None:
    """With the kernels themselves, which are compiled for the other tests anyway."""
    find_library(build.DECODING)
    command = [sys.executable, "-m", "dragoman.model.decoding.decoders.native.build"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{find_library(build.DECODING)}\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="its flags are those of x86")
@pytest.mark.parametrize("flags", [["-mavx512f", "-mavx2", "-mfma"], ["-mavx512f", "-mavx512dq"]])
def test_processors_with_a_part_of_avx_512_can_be_compiled_for(flags: list[str]) -> None:
    compiler = find_compiler()
    assert compiler is not None
    command = [*compiler, *build.FLAGS, *flags, "-fsyntax-only", str(build.DECODING.folder / "api.cpp")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
