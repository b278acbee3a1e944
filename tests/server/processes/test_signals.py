"""SIGTERM and SIGINT while a server loads, and the second one while it stops."""

import signal
import subprocess
import sys

import pytest

from tests.server.fakes import PATIENCE

STOPS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]

LOADING = """
from dragoman.server.processes.signals import exit_on_stop_signals

exit_on_stop_signals()
print("loads", flush=True)
try:
    while True:
        pass
except BaseException:
    print("went on", flush=True)
"""

STOPPING = """
import asyncio, time
from dragoman.server.processes.signals import catch_stop_signal

async def main():
    stop = catch_stop_signal()
    print("serves", flush=True)
    await stop.wait()
    print("stops", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_a_signal_while_loading_ends_the_process_at_once(number: int, status: int) -> None:
    assert run_until_it_ends(LOADING, ["loads"], number) == (status, "", "")


@pytest.mark.parametrize(("number", "status"), STOPS)
def test_the_second_signal_ends_the_process_at_once(number: int, status: int) -> None:
    assert run_until_it_ends(STOPPING, ["serves", "stops"], number) == (status, "", "")


def test_nothing_slow_comes_before_the_handlers() -> None:
    code = "import sys, dragoman.server.processes.signals; sys.exit('grpc' in sys.modules or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


def run_until_it_ends(code: str, lines: list[str], number: int) -> tuple[int, str, str]:
    """Sends the signal after each of the lines; gives status, further output and errors."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            for line in lines:
                assert process.stdout.readline() == f"{line}\n"
                process.send_signal(number)
            output, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return process.returncode, output, errors


RELOADING = """
import asyncio
from dragoman.server.processes.signals import catch_reload_signal, ignore_reload_signal

ignore_reload_signal()
print("loads", flush=True)
input()

async def main():
    reloads = asyncio.Queue()
    catch_reload_signal(lambda: reloads.put_nowait(None))
    print("serves", flush=True)
    for number in range(2):
        await reloads.get()
        print("reloads", flush=True)

asyncio.run(main())
"""


def test_sighup_is_nothing_while_loading_and_a_call_afterwards() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", RELOADING], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "loads\n"
            process.send_signal(signal.SIGHUP)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "serves\n"
            for _ in range(2):
                process.send_signal(signal.SIGHUP)
                assert process.stdout.readline() == "reloads\n"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
