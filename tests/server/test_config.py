"""The server's configuration: what is written in TOML or on the command line, and how each mistake is named."""

import importlib.util
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.access.addresses import find_socket_path, parse_address
from dragoman.server.config import (
    LimitsConfig,
    ModelConfig,
    ServerConfig,
    load_server_config,
)

CONFIG = """
[server]
listen = "127.0.0.1:0"
precision = "float32"
replicas = 2
google = true
google_files = "files"

[[models]]
bundle = "bundles/news"

[[models]]
bundle = "en-de"
name = "shipped"
replicas = 0

[tls]
certificate = "tls/server.pem"
key = "/etc/server.key"

[access]
tokens = "tokens.toml"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "server.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def refuse(path: Path | None, *overrides: str) -> str:
    """The message with which a configuration is refused."""
    with pytest.raises(InvalidInputError) as caught:
        load_server_config(path, overrides, default_bundle="en-de")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_environment_counts_before_the_file_and_behind_the_options(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_SERVER__DRAIN_SECONDS", "7")
    monkeypatch.setenv("DRAGOMAN_LOG__LEVEL", "debug")
    config = load_server_config(path, ["log.level=error"])
    assert (config.server.drain_seconds, config.log.level) == (7.0, "error")
    monkeypatch.setenv("DRAGOMAN_SERVER__DRAIN_SECONDS", "soon")
    origin = f"{path} and DRAGOMAN_LOG__LEVEL and DRAGOMAN_SERVER__DRAIN_SECONDS"
    assert refuse(path).startswith(f"{origin}: server.drain_seconds: ")


def test_without_a_file_all_is_default() -> None:
    config = load_server_config(None, default_bundle="en-de")

    assert config == ServerConfig(models=(ModelConfig(bundle="en-de"),))
    assert config.server.listen == "127.0.0.1:50051"
    assert config.metrics.listen is None
    assert config.limits.max_message_bytes == 4 * 1024 * 1024


def test_paths_are_relative_to_the_file(path: Path, tmp_path: Path) -> None:
    config = load_server_config(path)

    assert [model.bundle for model in config.models] == [str(tmp_path / "bundles/news"), "en-de"]
    assert config.tls.certificate == tmp_path / "tls/server.pem"
    assert config.tls.key == Path("/etc/server.key")
    assert config.access.tokens == tmp_path / "tokens.toml"
    assert config.server.google_files == tmp_path / "files"


def test_paths_of_overrides_are_relative_to_the_current_folder(path: Path) -> None:
    config = load_server_config(path, ["access.tokens=others.toml", "models.0.bundle=news"])
    assert config.access.tokens == Path("others.toml")
    assert config.models[0].bundle == "news"


def test_models_inherit_how_they_are_loaded(path: Path) -> None:
    first, second = load_server_config(path).served_models

    assert (first.precision, first.replicas, first.name) == ("float32", 2, None)
    assert (second.precision, second.replicas, second.name) == ("float32", 0, "shipped")


def test_options_count_before_the_file_and_before_each_model(path: Path) -> None:
    config = load_server_config(path, ["server.listen=127.0.0.1:1"], options={"replicas": 4, "listen": "127.0.0.1:2"})

    assert [model.replicas for model in config.served_models] == [4, 4]
    assert config.server.listen == "127.0.0.1:2"


def test_bundles_of_the_command_line_replace_those_of_the_file(path: Path) -> None:
    config = load_server_config(path, ["models.0.name=one"], bundles=["a", "b"], default_bundle="en-de")
    assert [(model.bundle, model.name) for model in config.models] == [("a", "one"), ("b", None)]


def test_as_many_sentences_as_may_wait_unless_it_is_said() -> None:
    assert LimitsConfig.model_validate({"max_waiting": 10}).max_sentences == 10
    assert LimitsConfig.model_validate({"max_waiting": 10, "max_sentences": 5}).max_sentences == 5


@pytest.mark.parametrize(
    ("override", "key", "reason"),
    [
        ("server.port=1", "server.port", "unknown key"),
        ("server=5", "server", "should be a table"),
        ("models=5", "models", "should be a list"),
        ('models={bundle="a"}', "models", "write [[models]]"),
        ("models.0=5", "models.0", "should be a table"),
        ("models.0.slots=5", "models.0.slots", "unknown key"),
        ("models.0.name=two words", "models.0.name", "pattern"),
        ("server.listen=localhost", "server.listen", "write HOST:PORT"),
        ("metrics.listen=:9464", "metrics.listen", "write HOST:PORT"),
        ("server.precision=fp16", "server.precision", "'float16'"),
        ("server.drain_seconds=-1", "server.drain_seconds", "greater than or equal to 0"),
        ("server.reload_seconds=inf", "server.reload_seconds", "finite"),
        ("server.max_slots=0", "server.max_slots", "greater than or equal to 1"),
        ("limits.max_sentences=65537", "limits", "max_sentences 65537 is more than max_waiting 65536"),
        ("tls.key={}", "tls.key", "path"),
        ("log.format=xml", "log.format", "'text' or 'json'"),
        ("traces.sample_ratio=2", "traces.sample_ratio", "less than or equal to 1"),
    ],
)
def test_a_mistake_is_told_with_file_and_dotted_key(path: Path, override: str, key: str, reason: str) -> None:
    message = refuse(path, override)
    assert message.startswith(f"{path} and the options: {key}: ")
    assert reason in message


def test_the_file_alone_is_blamed_where_there_are_no_options(path: Path) -> None:
    path.write_text("[server]\nport = 1\n")
    assert refuse(path) == f"{path}: server.port: unknown key"


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["tls.key=server.key"], "tls: certificate and key go together"),
        (["tls.certificate=server.pem"], "tls: certificate and key go together"),
        (["tls.client_ca=ca.pem"], "tls: client_ca needs certificate and key"),
        (["server.google_files=files"], "server.google_files: goes with server.google = true"),
        (['models=[{bundle="a", name="x"}, {bundle="b", name="x"}]'], 'models: two are called "x"'),
        (['models=[{bundle="a"}, {bundle="a"}]'], 'models: two are called "a"'),
        (["models=[]"], "models: there is none to serve"),
        (["metrics.listen=127.0.0.1:50051"], "metrics.listen: 127.0.0.1:50051 is server.listen, too"),
        (["server"], '--set server: write it like "server.drain_seconds=60"'),
    ],
)
def test_keys_that_disagree_are_told(overrides: list[str], reason: str) -> None:
    assert reason in refuse(None, *overrides)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("server.google=true", "server.google: needs google-cloud-translate: pip install 'dragoman[google]'"),
        ('tls={certificate="c", key="k"}', "tls.certificate: needs cryptography: pip install 'dragoman[tls]'"),
        ("traces.endpoint=http://x", "traces.endpoint: needs opentelemetry: pip install 'dragoman[telemetry]'"),
    ],
)
def test_a_missing_extra_is_named(override: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> None:
        raise ModuleNotFoundError(name)

    load_server_config(None, [override], default_bundle="en-de")
    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    assert reason in refuse(None, override)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        load_server_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "address", ["", "localhost", ":50051", "localhost:", "localhost:http", "localhost:70000", "a:²"]
)
def test_an_address_that_makes_no_sense(address: str) -> None:
    with pytest.raises(InvalidInputError, match="write HOST:PORT"):
        parse_address(address)


def test_addresses() -> None:
    assert parse_address("localhost:80") == ("localhost", 80)
    assert parse_address("[::1]:0") == ("[::1]", 0)
    with pytest.raises(InvalidInputError, match=r"write an IPv6 host in brackets, such as \[::1\]:50051"):
        parse_address("::1:50051")


def test_a_socket_has_a_path() -> None:
    assert find_socket_path("localhost:80") is None
    assert find_socket_path("unix:/run/dragoman.sock") == Path("/run/dragoman.sock")
    for address in ("unix:", "unix:/" + "x" * 107):
        with pytest.raises(InvalidInputError, match="write unix:PATH"):
            find_socket_path(address)
        assert "write unix:PATH" in refuse(None, f"server.listen={address}")
    assert "write HOST:PORT" in refuse(None, "metrics.listen=unix:/x")
