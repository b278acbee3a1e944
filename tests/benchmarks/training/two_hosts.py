"""Two hosts train together, and one dies: python -m tests.benchmarks.training.two_hosts [none|full]

The hosts are network namespaces of this machine (it needs Linux, root and `ip`). Each has a torchrun; they meet by
c10d.
In the middle of the run the second host loses all its processes and its network. The first one goes on from the last
checkpoint, alone, and its run ends with the losses of one that nothing disturbed. Prints a transcript.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.training.run.test_resumption import CONFIG
from tests.training.tiny import write_config

HOSTS = {"host-a": "10.77.0.1", "host-b": "10.77.0.2"}
UPDATES, KILLED_AFTER, SAVED_EVERY = 24, 10, 4
START_SECONDS = 300.0
OVERRIDES = (
    f"optimization.max_updates={UPDATES}",
    f"optimization.checkpoint_every={SAVED_EVERY}",
    "optimization.log_every=1",
    "optimization.keep_checkpoints=100",
    f"validation.every={UPDATES}",
    'optimization.precision="float32"',
)


def main() -> int:
    """Runs the proof; 1 if the losses differ."""
    sharding = sys.argv[1] if len(sys.argv) > 1 else "none"
    with tempfile.TemporaryDirectory() as folder, _hosts():
        path = Path(folder) / "small.toml"
        write_config(path, CONFIG)
        whole, broken = Path(folder) / "whole", Path(folder) / "broken"
        _say(f"one process with two batches an update, undisturbed, {UPDATES} updates")
        undisturbed = _command(path, whole, sharding, "--set", "optimization.accumulation=2")
        subprocess.run([sys.executable, *undisturbed], check=True, capture_output=True)
        _say(f"torchrun on {' and '.join(HOSTS)}, sharding {sharding}")
        first, second = (_start(host, path, broken, sharding) for host in HOSTS)
        _wait_for(broken, KILLED_AFTER, first)
        _say(f"after update {_last_update(broken)}: host-b dies; checkpoints {_checkpoints(broken)[-3:]}")
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()
        _ip("-n", "host-b", "link", "set", "host-b", "down")
        output = first.communicate()[0]
        for line in output.splitlines():
            if any(
                word in line
                for word in (
                    "another process",
                    "goes on after",
                    "processes, which share",
                    "dev BLEU",
                    "does not answer",
                )
            ):
                print("    host-a:", line)
        if first.returncode:
            print(output)
            return 1
        starts = json.loads((broken / "provenance.json").read_text())["starts"]
        _say(f"starts (update, processes): {[(one['update'], one['processes']) for one in starts]}")
        return _compare(_losses(whole), _losses(broken))


def _compare(expected: dict[int, float], found: dict[int, float]) -> int:
    if expected.keys() != found.keys():
        _say(f"updates are missing: {sorted(expected.keys() - found.keys())}")
        return 1
    apart = max(abs(found[update] / loss - 1) for update, loss in expected.items())
    _say(f"{len(found)} updates, none missing; the losses differ by {apart:.1e} of themselves at most")
    return int(apart > 1e-3)


def _command(path: Path, run: Path, sharding: str, *more: str) -> list[str]:
    settings = [*OVERRIDES, f"run_folder={run}", f'optimization.sharding="{sharding}"']
    return ["-m", "dragoman", "train", str(path), *more] + [word for setting in settings for word in ("--set", setting)]


def _start(host: str, path: Path, run: Path, sharding: str) -> "subprocess.Popen[str]":
    launch = [
        "-m",
        "torch.distributed.run",
        "--nnodes=1:2",
        "--nproc-per-node=1",
        "--max-restarts=3",
        "--rdzv-id=proof",
    ]
    launch += ["--rdzv-backend=c10d", f"--rdzv-endpoint={HOSTS['host-a']}:29411", f"--local-addr={HOSTS[host]}"]
    launch += [f"--rdzv-conf=is_host={int(host == 'host-a')},last_call_timeout=3,keep_alive_interval=1"]
    return subprocess.Popen(
        ["ip", "netns", "exec", host, sys.executable, *launch, *_command(path, run, sharding, "--resume")],
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": host},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _wait_for(run: Path, update: int, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + START_SECONDS
    while _last_update(run) < update:
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise SystemExit(f"the run does not come to update {update}:\n{process.communicate()[0]}")
        time.sleep(0.1)


def _losses(run: Path) -> dict[int, float]:
    found = {}
    with suppress(FileNotFoundError):
        for line in (run / "metrics.jsonl").read_text().splitlines():
            values: dict[str, Any] = {}
            with suppress(ValueError):  # half a line
                values = json.loads(line)
            if values.get("kind") == "training":
                found[values["update"]] = values["loss"]
    return found


def _last_update(run: Path) -> int:
    return max(_losses(run), default=0)


def _checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


@contextmanager
def _hosts() -> Iterator[None]:
    """Two namespaces with a cable between them."""
    for host in HOSTS:
        _ip("netns", "add", host)
    try:
        _ip("link", "add", "host-a", "netns", "host-a", "type", "veth", "peer", "name", "host-b", "netns", "host-b")
        for host, address in HOSTS.items():
            _ip("-n", host, "address", "add", f"{address}/24", "dev", host)
            _ip("-n", host, "link", "set", host, "up")
            _ip("-n", host, "link", "set", "lo", "up")
        yield
    finally:
        for host in HOSTS:
            _ip("netns", "delete", host)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
