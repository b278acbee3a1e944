"""A client in another language, from the .proto as it is: Node.js with @grpc/grpc-js, in a process of its own.

`npm ci` in node_client installs what it needs; without that, or without Node.js, these tests are skipped.
"""

import itertools
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.translation.translator import Translator
from tests.end_to_end.certificates import write_certificates
from tests.server_process import ServerProcess, Tables

CLIENT = Path(__file__).parent / "node_client"
PROTO = Path(__file__).parents[2] / "proto"
SECONDS = 90
NODE = shutil.which("node")

DEADLINE_EXCEEDED, NOT_FOUND, CANCELLED, UNAUTHENTICATED, INVALID_ARGUMENT = 4, 5, 1, 16, 3
TO_GERMAN = {"source_language_code": "en", "target_language_code": "de"}
TOKEN = "0123456789-abcdef"

Call = Callable[..., Any]

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="there is no Node.js here"),
    pytest.mark.skipif(
        not (CLIENT / "node_modules").is_dir(),
        reason="no packages for Node.js: run `npm ci` in tests/end_to_end/node_client",
    ),
]


def run_client(scenario: str, **options: Any) -> Any:
    """What the scenario of client.js prints."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(CLIENT / "client.js"), scenario, json.dumps({"proto": str(PROTO), **options})],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), {"models": [{"bundle": str(tiny_bundle)}]}) as running:
        yield running


@pytest.fixture(scope="module")
def node(server: ServerProcess) -> Call:
    return lambda scenario, **options: run_client(scenario, address=server.address, **options)


@pytest.fixture(scope="module")
def expected(tiny_bundle: Path) -> Callable[..., list[str]]:
    """What the texts are in German, by the bare translator."""
    translator = Translator.load(tiny_bundle, num_threads=1)
    return lambda texts, **options: [translation.text for translation in translator.translate(texts, "de", **options)]


def texts_of(response: dict[str, Any]) -> list[str]:
    return [translation["hypotheses"][0]["text"] for translation in response["translations"]]


def test_translate(node: Call, expected: Callable[[list[str]], list[str]]) -> None:
    texts = ["The dog sees the house.", "The child likes the tree.", ""]
    request = {"texts": texts, **TO_GERMAN, "search_options": {"n_best": 2}, "return_options": {"pieces": True}}
    answer = node("call", method="Translate", request=request, request_id="from-node-1")
    assert texts_of(answer["response"]) == expected(texts)
    assert answer["response"]["model"] == "tiny"
    assert answer["metadata"]["x-request-id"] == "from-node-1"
    first = answer["response"]["translations"][0]["hypotheses"]
    assert len(first) == 2
    assert all(hypothesis["pieces"] for hypothesis in first)


def test_a_text_at_fault_leaves_its_neighbours_alone(node: Call, expected: Callable[[list[str]], list[str]]) -> None:
    too_long = " ".join(map("".join, itertools.product("abcdefgh", repeat=3)))
    request = {"texts": ["The dog sees the house.", too_long], **TO_GERMAN, "split_sentences": False}
    right, wrong = node("call", method="Translate", request=request)["response"]["translations"]
    assert right["hypotheses"][0]["text"] == expected(["The dog sees the house."])[0]
    assert right["error"] is None
    assert wrong["hypotheses"] == []
    assert wrong["error"]["code"] == INVALID_ARGUMENT
    assert "pieces" in wrong["error"]["message"]


def test_a_stream_of_many_texts_takes_only_as_much_as_it_can(
    node: Call, tiny_sentences: list[str], expected: Callable[[list[str]], list[str]]
) -> None:
    texts = [f"{sentence} {sentence}" for sentence in tiny_sentences] * 10
    answer = node("stream", config=TO_GERMAN, texts=texts)
    started, *results = answer["messages"]
    assert started["started"]["model"] == "tiny"
    told = [result for message in results for result in message["results"]]
    found = {int(result["id"]): result["translation"]["hypotheses"][0]["text"] for result in told}
    assert len(told) == len(found) == len(texts)
    assert [found[index] for index in range(len(texts))] == expected(texts)
    assert answer["num_waits"] > 0


def test_live(node: Call, expected: Callable[..., list[str]]) -> None:
    text = "The woman looks for the bridge. The dog likes the tree."
    once = {"max_retries": 0}  # what was shown is not searched again
    messages = node("live", request={"text": text, **TO_GERMAN, "search_options": once})["messages"]
    (translation,) = expected([text], **once)
    assert messages[0]["started"]["model"] == "tiny"
    assert messages[-1]["translation"]["hypotheses"][0]["text"] == translation
    assert all(message["translation"] is None for message in messages[:-1])
    stable = [message["stable_text"] for message in messages[:-1]]
    assert all(translation.startswith(text) for text in stable)
    assert [len(text) for text in stable] == sorted(len(text) for text in stable)


def test_score(node: Call) -> None:
    pairs = [{"source": "The dog sees the house.", "target": target} for target in ("Der Hund sieht das Haus.", "Haus")]
    scores = node("call", method="Score", request={"pairs": pairs, **TO_GERMAN})["response"]["scores"]
    assert len(scores) == 2
    assert all(score["log_prob"] < 0 and score["error"] is None for score in scores)


def test_detect_language(node: Call) -> None:
    texts = ["Where is the nearest train station, please?", "Wo ist bitte der nächste Bahnhof?"]
    answer = node("call", method="DetectLanguage", request={"texts": texts})
    found = [detection["candidates"][0]["language_code"] for detection in answer["response"]["detections"]]
    assert found == ["en", "de"]


def test_models(node: Call) -> None:
    (listed,) = node("call", method="ListModels", request={})["response"]["models"]
    answer = node("call", method="GetModel", request={"name": listed["name"]})["response"]
    assert listed["name"] == answer["model"]["name"] == "tiny"
    assert listed["card"] == ""
    assert answer["model"]["card"].startswith("# tiny")
    assert node("call", method="GetServer", request={})["response"]["limits"]["max_texts"] > 0


@pytest.mark.parametrize(
    ("request_", "code", "told"),
    [
        ({"target_language_code": "xx"}, NOT_FOUND, "xx"),
        ({"target_language_code": "de", "model": "none"}, NOT_FOUND, "none"),
        ({"target_language_code": ""}, INVALID_ARGUMENT, "target_language_code"),
        ({"target_language_code": "de", "search_options": {"beam_size": 0}}, INVALID_ARGUMENT, "beam_size"),
    ],
)
def test_a_request_at_fault_has_its_status(node: Call, request_: dict[str, Any], code: int, told: str) -> None:
    answer = node("call", method="Translate", request={"texts": ["The dog."], **request_})
    assert answer["code"] == code
    assert told in answer["details"]


def test_a_deadline_ends_a_stream(node: Call) -> None:
    answer = node("stream_past_deadline", config=TO_GERMAN, seconds=1)
    assert answer["code"] == DEADLINE_EXCEEDED


def test_a_cancelled_stream_has_given_what_it_found(node: Call, expected: Callable[[list[str]], list[str]]) -> None:
    text = "The dog sees the house."
    answer = node("cancelled_stream", config=TO_GERMAN, text=text)
    assert answer["code"] == CANCELLED
    result = answer["messages"][1]["results"][0]
    assert result["id"] == "7"
    assert result["translation"]["hypotheses"][0]["text"] == expected([text])[0]
    assert texts_of(node("call", method="Translate", request={"texts": [text], **TO_GERMAN})["response"])  # serves on


@pytest.mark.parametrize("service", ["", "dragoman.v1.TranslationService", "dragoman.v1.TranslationService/tiny"])
def test_health(node: Call, service: str) -> None:
    assert node("health", service=service)["response"]["status"] == "SERVING"


def test_tls_and_token(tiny_bundle: Path, tmp_path: Path) -> None:
    authority = write_certificates(tmp_path)
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[tokens]]\nname = "node"\ntoken = "{TOKEN}"\n', encoding="utf-8")
    tokens.chmod(0o600)
    tables: Tables = {
        "models": [{"bundle": str(tiny_bundle)}],
        "tls": {"certificate": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")},
        "access": {"tokens": str(tokens)},
    }
    request = {"texts": ["The dog sees the house."], **TO_GERMAN}
    with ServerProcess(tmp_path / "server", tables) as server:
        port = server.address.rpartition(":")[2]
        known: dict[str, Any] = {"address": f"localhost:{port}", "ca": str(authority)}
        right = run_client("call", method="Translate", request=request, token=TOKEN, **known)
        wrong = run_client("call", method="Translate", request=request, token="guessed", **known)
        healthy = run_client("health", service="", **known)
    assert texts_of(right["response"])
    assert wrong["code"] == UNAUTHENTICATED
    assert healthy["response"]["status"] == "SERVING"  # needs no token
