"""Several whole servers on one port, as real processes: one dies, all are counted together."""

import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest
from safetensors.numpy import load_file, save_file

from dragoman.server.client import Client, ServerError
from tests.server.grpc.serving import SERVICE
from tests.server.running import PATIENCE
from tests.server.telemetry.scraping import find, scrape
from tests.server_process import ServerProcess, ServerProcessError, Tables, free_port

TOKEN = "a-token"


def wait_until(server: ServerProcess, condition: Callable[[], bool]) -> None:
    """The condition asks the server, so that waiting needs no sleep."""
    end = monotonic() + PATIENCE
    while not condition():
        assert server.is_alive, server.last_words()
        assert monotonic() < end, server.last_words()


def tables_of(bundle: Path, **others: object) -> Tables:
    return {
        "server": {"processes": 2, "max_slots": 4, "reload_seconds": 0.05},
        "models": [{"bundle": str(bundle)}],
        "log": {"level": "warning"},
        "memory": {"max_bytes": 0},
        **others,  # type: ignore[dict-item]
    }


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def call(address: str, text: str, token: str | None = None) -> str:
    """A call on a connection of its own: the word "OK", or the code and reason of its error."""
    try:
        with Client(address, token=token, timeout=PATIENCE) as client:
            client.translate(text, to="de", max_target_length=4)
    except ServerError as error:
        return f"{error.code} {error.reason}"
    return "OK"


def count(server: ServerProcess, code: str = "OK") -> float:
    return find(scrape(server.metrics_address), "dragoman_requests_total", method=f"{SERVICE}/Translate", code=code)


def restarts(server: ServerProcess) -> float:
    return find(scrape(server.metrics_address), "dragoman_process_restarts_total")


def processes(server: ServerProcess) -> float:
    return find(scrape(server.metrics_address), "dragoman_processes")


def test_a_process_that_is_killed_costs_its_own_calls_alone(tiny_bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    tables = tables_of(tiny_bundle, http={"listen": f"127.0.0.1:{port}"})
    with ServerProcess(tmp_path, tables) as server, ThreadPoolExecutor(8) as threads:
        assert processes(server) == 2
        found = list(threads.map(lambda number: call(server.address, f"a {number}"), range(40)))
        assert found == ["OK"] * 40
        assert count(server) == 40
        before = children_of(server.pid)
        assert len(before) == 2
        victim = min(before)
        running = [threads.submit(call, server.address, f"b {number}") for number in range(80)]
        running[0].result(PATIENCE)
        os.kill(victim, signal.SIGKILL)
        # What was running there is made again by the client, whose new connection reaches a process that lives.
        assert {one.result(PATIENCE) for one in running} == {"OK"}
        wait_until(server, lambda: restarts(server) == 1 and processes(server) == 2)
        after = children_of(server.pid)
        assert len(after) == 2
        assert len(after & before) == 1
        assert [call(server.address, f"c {number}") for number in range(10)] == ["OK"] * 10
        assert count(server) >= 50  # what the dead process had counted at the last scrape is not forgotten
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as response:
            assert b"dragoman_processes 2.0" in response.read()


def test_quotas_and_usage_are_those_of_all_processes(tiny_bundle: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[tokens]]\nname = "alice"\ntoken = "{TOKEN}"\ncalls_per_day = 12\n')
    tables = tables_of(tiny_bundle, access={"tokens": str(tokens), "usage": str(tmp_path / "usage.sqlite")})
    with ServerProcess(tmp_path / "first", tables) as server:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda number: call(server.address, f"a {number}", TOKEN), range(20)))
        assert sorted(found) == ["OK"] * 12 + ["RESOURCE_EXHAUSTED QUOTA_EXHAUSTED"] * 8
        for _ in range(4):  # connections to either process
            with Client(server.address, token=TOKEN, timeout=PATIENCE) as client:
                assert client.get_usage().day.num_calls == 12
    with ServerProcess(tmp_path / "second", tables) as server:
        assert call(server.address, "b", TOKEN) == "RESOURCE_EXHAUSTED QUOTA_EXHAUSTED"


def test_a_client_with_several_connections_reaches_all_processes(tiny_bundle: Path, tmp_path: Path) -> None:
    with ServerProcess(tmp_path, tables_of(tiny_bundle)) as server:
        names = set()
        with Client(server.address, timeout=PATIENCE, connections=16) as client:
            for _ in range(16):
                call_stream = client._stub.TranslateCalls(iter([_config()]), timeout=PATIENCE)
                names.add(next(call_stream).server)
        assert len(names) == 2


def _config() -> object:
    from dragoman.v1 import translation_pb2 as pb

    return pb.TranslateCallsRequest(config=pb.TranslateStreamConfig(target_language_code="de"))


def test_what_cannot_be_served_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    tables = {**tables_of(tiny_bundle), "server": {"processes": 2, "listen": f"unix:{tmp_path}/socket"}}
    with pytest.raises(ServerProcessError, match=r"several processes need HOST:PORT"):
        ServerProcess(tmp_path / "unix", tables)
    with ServerProcess(tmp_path / "first", tables_of(tiny_bundle)) as server:
        tables = {**tables_of(tiny_bundle), "server": {"processes": 2, "listen": server.address}}
        with pytest.raises(ServerProcessError, match="cannot listen on"):
            ServerProcess(tmp_path / "second", tables)
    tables = {**tables_of(tiny_bundle), "models": [{"bundle": str(tmp_path / "missing")}]}
    with pytest.raises(ServerProcessError, match="missing"):
        ServerProcess(tmp_path / "third", tables)


def test_what_one_process_stores_the_others_find(tiny_bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    tables = tables_of(tiny_bundle, http={"listen": f"127.0.0.1:{port}"})
    tables = {**tables, "server": {"processes": 2, "glossaries": str(tmp_path / "glossaries")}}
    with ServerProcess(tmp_path / "server", tables) as server:
        table = tmp_path / "terms.tsv"
        table.write_text("en\tde\nhouse\tHaus\n")
        for number in range(6):  # each call on a connection of its own
            with Client(server.address, timeout=PATIENCE) as client:
                client.create_glossary(f"g{number}", table)
        for _ in range(6):
            with Client(server.address, timeout=PATIENCE) as client:
                assert [one.name for one in client.list_glossaries()] == [f"g{number}" for number in range(6)]
        with Client(server.address, timeout=PATIENCE) as client:
            client.delete_glossary("g3")
        for _ in range(6):
            with Client(server.address, timeout=PATIENCE) as client:
                assert len(client.list_glossaries()) == 5

        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def fetch(path: str, *parts: bytes) -> bytes:
            headers = {"content-type": "multipart/form-data; boundary=x"} if parts else {}
            body = b"".join(parts) or None
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
            content: bytes = opener.open(request, timeout=PATIENCE).read()
            return content

        def field(name: str, value: bytes, more: bytes = b"") -> bytes:
            head = b'--x\r\ncontent-disposition: form-data; name="%s"%s\r\n\r\n' % (name.encode(), more)
            return head + value + b"\r\n"

        answer = fetch(
            "/translate_file",
            field("source", b"en"),
            field("target", b"de"),
            field("file", b"a b", b'; filename="a.txt"'),
            b"--x--\r\n",
        )
        path = "/" + json.loads(answer)["translatedFileUrl"].split("/", 3)[3]
        assert len({fetch(path) for _ in range(6)}) == 1


def test_all_processes_take_a_new_version_of_a_model(tiny_bundle: Path, tmp_path: Path) -> None:
    for version in ("one", "two"):
        shutil.copytree(tiny_bundle, tmp_path / version)
    weights = tmp_path / "two" / "weights.safetensors"
    tensors = load_file(weights)
    name = next(name for name in tensors if name.endswith("norm.weight"))
    save_file(tensors | {name: tensors[name] * 2}, weights)
    (tmp_path / "current").symlink_to("one")
    tables = {**tables_of(tmp_path / "current"), "server": {"processes": 2, "reload_seconds": 0.0}}

    def revisions(server: ServerProcess) -> set[str]:
        with Client(server.address, timeout=PATIENCE, connections=16) as client:
            return {client.list_models()[0].revision for _ in range(16)}

    with ServerProcess(tmp_path / "server", tables) as server:
        (before,) = revisions(server)
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(tmp_path / "current")
        os.kill(server.pid, signal.SIGHUP)
        wait_until(server, lambda: before not in revisions(server))
        (after,) = revisions(server)
        os.kill(min(children_of(server.pid)), signal.SIGKILL)
        wait_until(server, lambda: restarts(server) == 1 and processes(server) == 2)
        assert revisions(server) == {after}  # the new process does not take the version from before the fork


def test_servers_end_with_their_supervisor(tiny_bundle: Path, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, tables_of(tiny_bundle))
    children = children_of(server.pid)
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait(PATIENCE)
    end = monotonic() + PATIENCE
    while any(is_running(child) for child in children):
        assert monotonic() < end


def is_running(pid: int) -> bool:
    """Whether there is such a process that has not ended; somebody else waits for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
