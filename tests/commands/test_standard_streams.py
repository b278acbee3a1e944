"""Standard streams that are closed, full, broken or not UTF-8, of commands as processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TRANSLATE = ("translate", "--to", "de", "--beam-size", "1", "--model")


def run(*arguments: object, closed: int | None = None, **options: object) -> "subprocess.CompletedProcess[bytes]":
    """closed: the descriptor that a shell closes before the command begins. A `preexec_fn` would do so in a fork of
    this process, where gRPC, if a test before has loaded it, minds the closed descriptor."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", "dragoman", *map(str, arguments)]
    if closed is not None:
        command = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command]
    done: subprocess.CompletedProcess[bytes] = subprocess.run(command, timeout=60, **streams)  # type: ignore[call-overload]
    done.stderr = without_kernels(done.stderr or b"")
    return done


def without_kernels(errors: bytes) -> bytes:
    """Standard error without the lines of the log that say that the kernels are compiled now, or cannot be."""
    return b"".join(line for line in errors.splitlines(keepends=True) if b"compil" not in line)


@pytest.mark.parametrize("command", [("--help",), ("--version",), ("models",), ("serve", "--check"), TRANSLATE])
def test_output_that_cannot_be_written_is_an_error(command: tuple[str, ...], tiny_bundle: Path) -> None:
    arguments = [*command, tiny_bundle, "a house"] if command == TRANSLATE else command
    closed = run(*arguments, stdout=None, closed=1)
    assert (closed.returncode, closed.stderr) == (2, b"dragoman: standard output cannot be written: it is closed\n")
    with Path("/dev/full").open("wb") as full:
        done = run(*arguments, stdout=full)
    reason = b"dragoman: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, reason)


def test_a_pipe_that_nobody_reads_ends_the_command_in_silence(tiny_bundle: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*TRANSLATE, tiny_bundle, "a house", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_input_that_is_closed_is_named(tiny_bundle: Path) -> None:
    done = run(*TRANSLATE, tiny_bundle, stdin=None, closed=0)
    assert (done.returncode, done.stderr) == (2, b"dragoman: standard input: is closed\n")


def test_an_error_that_nobody_can_read_has_its_exit_code(tiny_bundle: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        for options in ({"stderr": full}, {"stderr": None, "closed": 2}):
            assert run(*TRANSLATE, tiny_bundle, "--input", "none", **options).returncode == 2


def test_translations_are_utf8_whatever_the_terminal_is(tiny_bundle: Path) -> None:
    ascii_only = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    command = (*TRANSLATE, tiny_bundle, "--target-prefix", "Größe", "a house")
    assert run(*command, env=ascii_only).stdout.startswith("Größe".encode())
    assert "→" not in run("models", env=ascii_only).stdout.decode("ascii")


def test_a_filter_translates_what_has_arrived_and_ctrl_c_ends_it(tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "dragoman", *TRANSLATE, str(tiny_bundle)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            for text in ("a house\n", "\n", "a tree\n"):
                process.stdin.write(text)
                process.stdin.flush()
                assert process.stdout.readline().strip() or text == "\n"  # it waits for nothing more
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 130
            assert process.stderr is not None
            assert without_kernels(process.stderr.read().encode()) == b"dragoman: interrupted\n"
        finally:
            process.kill()
