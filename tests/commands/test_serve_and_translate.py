"""`dragoman serve`, and `dragoman translate --server`."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dragoman.model.decoding.decoders.native.decoder import is_available
from tests.commands.running import LONG, Run, assert_refused, write_lines


def test_serve_checks_its_configuration(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    config = write_lines(tmp_path / "server.toml", "[server]", "max_slots = 8", "[[models]]", 'bundle = "tiny"')
    shutil.copytree(tiny_bundle, tmp_path / "tiny")
    checked = run("serve", "--check", "--config", config, "--listen", "127.0.0.1:0")
    assert (checked.status, checked.errors) == (0, "")
    assert checked.output.splitlines() == [
        "listens on 127.0.0.1:0, without TLS, for everybody",
        "offers translation, health, reflection",
        f"serves tiny: en→de, de→en, 0.0 M parameters, from {tmp_path / 'tiny'}",
    ]
    assert run("serve", "--check", tiny_bundle, "--set", "server.drain_seconds=1", "--replicas", 2).status == 0
    assert "serves en-de: " in run("serve", "--check").output
    for mistake, reason in (
        (["--set", "server.port=1"], f"{config} and the options: server.port: unknown key"),
        (["--listen", "here"], f'{config} and the options: server.listen: cannot listen on "here"'),
        (["--replicas", "-1"], f"{config} and the options: server.replicas: Input should be greater"),
        ([tmp_path / "nowhere"], f'there is no bundle "{tmp_path / "nowhere"}"'),
    ):
        assert_refused(run("serve", "--config", config, *mistake, "--check"), reason)
    assert_refused(run("serve", "--config", tmp_path / "none.toml"), "none.toml: no such file")


@contextmanager
def serving(bundle: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A server in a process of its own, and its address."""
    options = ["--listen", "127.0.0.1:0", "--set", "log.level=warning"]
    command = [sys.executable, "-m", "dragoman", "serve", str(bundle), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.kill()


def test_serve_answers_as_the_local_translator_and_stops_cleanly(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    texts = ["a small house", "", "two old cars"]
    local = run("translate", "--model", tiny_bundle, "--to", "de", *texts)
    source = write_lines(tmp_path / "in.en", *texts)
    with serving(tiny_bundle) as (address, process):
        remote = run("translate", "--server", address, "--to", "de", *texts)
        assert remote.output == local.output
        details = ["--json", "--n-best", "2", "--alignment", "--attention", "--sampling-temperature", "0.7", *texts]
        remote = run("translate", "--server", address, "--to", "de", *details)
        assert remote.output == run("translate", "--model", tiny_bundle, "--to", "de", *details).output
        doubted = ["--warnings", "--max-target-length", "2", *texts]
        remote = run("translate", "--server", address, "--to", "de", *doubted)
        assert remote.errors == run("translate", "--model", tiny_bundle, "--to", "de", *doubted).errors
        assert "warning: cut off" in remote.errors
        job = run("translate", "--server", address, "--to", "de", "--input", source, "--output", tmp_path / "out.de")
        assert job.status == 0, job
        assert (tmp_path / "out.de").read_text() == local.output
        assert_refused(run("translate", "--server", address, "--to", "xx", "text"), "xx")
        assert_refused(run("translate", "--server", address, "--to", "de", "--model", "none", "text"), "none")
        assert_refused(run("translate", "--server", address, "--to", "de", "--no-split", LONG), "pieces")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        errors = process.stderr.read()
        if is_available():
            assert errors == ""
        else:  # the warning that torch translates alone
            assert errors.count("\n") == 1


def test_serve_says_why_it_cannot_listen(run: Run, tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert_refused(run("serve", tiny_bundle, "--listen", address), address)
    assert_refused(run("serve", tiny_bundle, "--listen", "nonsense"), "HOST:PORT")
    assert_refused(run("serve", "none"), 'there is no bundle "none"')
    assert run("serve", tiny_bundle, "--max-slots", "0").status == 2


def test_a_server_that_is_not_there_is_a_clear_error(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        assert_refused(run("translate", "--server", address, "--to", "de", "text"), address)
