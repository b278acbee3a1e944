"""`dragoman serve` as a process: models that are replaced, added and removed while calls run, and signals."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
from safetensors.numpy import load_file, save_file

from dragoman.model.errors import NotFoundError
from dragoman.server.client import Client, ServerError
from tests.end_to_end.certificates import write_certificates
from tests.server.running import PATIENCE
from tests.server_process import ServerProcess, Tables, write_toml


@pytest.fixture
def versions(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A folder with the bundle `one`, `two` with other weights, and `broken`, all of the name "tiny"."""
    for version in ("one", "two", "broken"):
        shutil.copytree(tiny_bundle, tmp_path / version)
    weights = tmp_path / "two" / "weights.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if name.endswith("norm.weight"))
    save_file(tensors | {name: tensors[name] * 2}, weights)
    weights = tmp_path / "broken" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return tmp_path


def point(link: Path, folder: Path) -> None:
    """Puts a link to the folder in the place of the one that is there, in one step."""
    aside = link.with_name("aside")
    aside.symlink_to(folder, target_is_directory=True)
    aside.replace(link)


def wait_until(server: ServerProcess, condition: Callable[[], bool]) -> None:
    """The condition asks the server or reads its log, so that waiting needs no sleep."""
    end = monotonic() + PATIENCE
    while not condition():
        assert server.is_alive, server.last_words()
        assert monotonic() < end, server.last_words()


class Caller:
    """Translates without a pause, on a thread of its own, and keeps the first error."""

    def __init__(self, address: str) -> None:
        self.num_answers = 0
        self.error: Exception | None = None
        self._client = Client(address)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE)
        self._client.close()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                assert len(self._client.translate(["a small house", "two cars"], to="de", model="tiny")) == 2
                self.num_answers += 1
        except Exception as error:
            self.error = error


@pytest.fixture
def replicas() -> int:
    """Engine processes of each model; a test may say otherwise."""
    return 0


@pytest.fixture
def server(versions: Path, replicas: int) -> Iterator[ServerProcess]:
    point(versions / "current", versions / "one")
    tables: Tables = {
        "server": {"reload_seconds": 0.05, "max_slots": 4, "replicas": replicas},
        "models": [{"bundle": str(versions / "current")}],
        "log": {"level": "warning"},
    }
    with ServerProcess(versions / "server", tables) as process:
        yield process


@pytest.mark.parametrize("replicas", [0, 1], ids=["threads", "processes"])
def test_a_bundle_is_replaced_under_running_calls(versions: Path, server: ServerProcess) -> None:
    with Client(server.address) as client, Caller(server.address) as caller:

        def revision() -> str:
            (model,) = client.list_models()
            return model.revision

        first = revision()
        wait_until(server, lambda: caller.num_answers > 0)
        point(versions / "current", versions / "two")
        wait_until(server, lambda: revision() != first)
        second = revision()
        point(versions / "current", versions / "broken")
        wait_until(server, lambda: "cannot be served; the old version stays" in server.log.read_text())
        assert revision() == second
        point(versions / "current", versions / "one")
        wait_until(server, lambda: revision() == first)
        num_answers = caller.num_answers
        wait_until(server, lambda: caller.num_answers > num_answers or caller.error is not None)
        assert caller.error is None


def test_models_are_added_and_removed_on_sighup(versions: Path, server: ServerProcess) -> None:
    with Client(server.address) as client:

        def names() -> list[str]:
            return [model.name for model in client.list_models()]

        def configure(*models: dict[str, str]) -> None:
            aside = versions / "server.toml.new"
            listen = {"listen": server.address}  # as it was, in other words
            aside.write_text(write_toml({"server": listen | {"reload_seconds": 0}, "models": list(models)}))
            aside.replace(server.config)
            os.kill(server.pid, signal.SIGHUP)

        small, large = ({"bundle": str(versions / version), "name": version} for version in ("one", "two"))
        configure(small, large)
        wait_until(server, lambda: names() == ["one", "two"])
        assert client.translate("a small house", to="de", model="two")
        configure(large)
        wait_until(server, lambda: names() == ["two"])
        with pytest.raises(NotFoundError, match='there is no "one"; there is two'):
            client.translate("a small house", to="de", model="one")
        assert "these changes take effect after a restart: " in server.log.read_text()
        configure({"bundle": str(versions / "two"), "nmae": "two"})
        wait_until(server, lambda: "models.0.nmae: unknown key" in server.log.read_text())
        assert names() == ["two"]


def test_the_log_is_json_also_where_clients_cannot_shake_hands(tiny_bundle: Path, tmp_path: Path) -> None:
    write_certificates(tmp_path)
    tables: Tables = {
        "models": [{"bundle": str(tiny_bundle)}],
        "tls": {"certificate": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")},
        "log": {"format": "json"},
    }
    with (
        ServerProcess(tmp_path, tables) as server,
        Client(server.address) as client,
        pytest.raises(ServerError, match="is unavailable"),
    ):
        client.list_models()
    messages = [json.loads(line)["message"] for line in server.log.read_text().splitlines()]
    assert messages[-2:] == ["stopping: new calls are refused, running ones have 30 s", "stopped"]
