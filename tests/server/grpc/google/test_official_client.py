"""Google's official client in a process of its own, against a real server's process."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.translation.translator import Translator
from tests.server_process import ServerProcess

pytest.importorskip("google.cloud.translate_v3", reason="needs google-cloud-translate: pip install 'dragoman[google]'")

CLIENT = Path(__file__).with_name("official_client.py")
SECONDS = 100
SENTENCE = "The dog sees the house."


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "a.txt").write_text(f"{SENTENCE}\n" * 3)
    (folder / "endless.txt").write_text(f"{SENTENCE}\n" * 200_000)
    return folder


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    tables: Any = {"server": {"google": True, "google_files": str(files)}, "models": [{"bundle": str(tiny_bundle)}]}
    with ServerProcess(tmp_path_factory.mktemp("server"), tables) as running:
        yield running


@pytest.fixture(scope="module")
def expected(tiny_bundle: Path) -> str:
    """What the model makes of the sentence."""
    return Translator.load(tiny_bundle, num_threads=1).translate(SENTENCE, "de")[0].text


def run_client(kind: str, server: ServerProcess, files: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(CLIENT), kind, server.address, str(files)], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_blocking_client_works_as_it_is(server: ServerProcess, files: Path, expected: str) -> None:
    found = run_client("blocking", server, files)
    assert found["plain"] == [expected]
    ((html, detected),) = found["html"]
    assert detected == "en"
    assert re.fullmatch(r'<p class="x">[^<]*<b>[^<]*</b>[^<]*</p><script>var a = "The dog";</script>', html), html
    assert found["model"] == "projects/my-project/locations/europe-west1/models/tiny"
    assert found["detected"] == "de"
    assert found["languages"] == [["de", True, True], ["en", True, True]]
    assert (found["batch"], found["state"], found["operations"], found["done"]) == (
        3 * len(SENTENCE), "SUCCEEDED", True, True)  # fmt: skip
    assert (files / "blocking/a_de_translations.txt").read_text() == f"{expected}\n" * 3
    root = files.as_uri()
    assert (files / "blocking/index.csv").read_text() == (f"{root}/a.txt,de,{root}/blocking/a_de_translations.txt,,,\n")
    assert found["cancelled"] == ["Cancelled", True]
    assert list((files / "cancelled").iterdir()) == []
    assert found["errors"] == ["InvalidArgument", "NotFound", "MethodNotImplemented"]


def test_the_asynchronous_client_works_as_it_is(server: ServerProcess, files: Path, expected: str) -> None:
    found = run_client("async", server, files)
    assert found == {"plain": [expected], "batch": 3 * len(SENTENCE)}
    assert (files / "async/a_de_translations.txt").read_text() == f"{expected}\n" * 3
