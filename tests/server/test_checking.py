"""`dragoman serve --check`: what it says of a configuration that could be served, and of one that could not."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from dragoman.model.errors import DragomanError
from dragoman.server.checking import check_server
from dragoman.server.config import ServerConfig
from tests.end_to_end.certificates import write_certificates


def check(*bundles: Path, **tables: dict[str, Any]) -> list[str]:
    models = [{"bundle": str(bundle)} for bundle in bundles]
    return check_server(ServerConfig.model_validate(tables | {"models": models}))


def refuse(*bundles: Path, **tables: dict[str, Any]) -> str:
    with pytest.raises(DragomanError) as caught:
        check(*bundles, **tables)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def test_it_says_what_would_be_served(tiny_bundle: Path, tmp_path: Path) -> None:
    write_certificates(tmp_path)
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[tokens]]\nname = "a"\ntoken = "0123456789abcdef0123456789abcdef"\n')
    tokens.chmod(0o600)

    assert check(
        tiny_bundle,
        server={"listen": "0.0.0.0:50051", "google": True, "google_files": tmp_path, "channelz": True},
        tls={"certificate": tmp_path / "server.pem", "key": tmp_path / "server.key"},
        access={"tokens": tokens},
        metrics={"listen": "127.0.0.1:9464"},
        traces={"endpoint": "http://localhost:4317"},
    ) == [
        f"listens on 0.0.0.0:50051, with TLS, for callers with a token from {tokens}",
        "offers translation, health, Google's Translation v3, reflection, channelz",
        "serves metrics on http://127.0.0.1:9464/metrics",
        "sends its traces to http://localhost:4317",
        f"serves tiny: en→de, de→en, 0.0 M parameters, from {tiny_bundle}",
    ]


def test_an_open_port_is_told_of(tiny_bundle: Path) -> None:
    *_, warning = check(tiny_bundle, server={"listen": "0.0.0.0:50051", "reflection": False})
    assert warning.startswith("WARNING: 0.0.0.0:50051 has neither TLS nor tokens")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("config.json", "the bundle lacks this file"),
        ("weights.safetensors", "the bundle lacks this file"),
        ("vocabulary.model", "the bundle lacks this file"),
    ],
)
def test_a_bundle_that_lacks_a_file(bundle: Path, name: str, reason: str) -> None:
    (bundle / name).unlink()
    assert refuse(bundle) == f"{bundle / name}: {reason}"


def test_weights_that_were_cut_short(bundle: Path) -> None:
    weights = bundle / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert refuse(bundle).startswith(f"{weights}: damaged or cut short")


def test_a_device_that_is_not_there(tiny_bundle: Path) -> None:
    assert refuse(tiny_bundle, server={"device": "gpu"}).startswith('the device "gpu" cannot be used')


def test_google_without_a_folder_of_files(tiny_bundle: Path) -> None:
    assert "refuses BatchTranslateText: server.google_files names no folder" in check(
        tiny_bundle, server={"google": True}
    )


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert refuse(tmp_path / "none").startswith(f'there is no bundle "{tmp_path / "none"}"')


def test_no_shortlist(tiny_bundle: Path) -> None:
    assert "the bundle has no shortlist" in refuse(tiny_bundle, server={"shortlist": True})


def test_two_models_of_one_name(tiny_bundle: Path, bundle: Path) -> None:
    assert 'two models are called "tiny"' in refuse(tiny_bundle, bundle)


def test_files_that_are_missing(tiny_bundle: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert refuse(tiny_bundle, tls={"certificate": nothing, "key": nothing}).startswith(str(nothing))
    assert refuse(tiny_bundle, access={"tokens": nothing}) == f"{nothing}: no such file"
    google = {"google": True, "google_files": nothing}
    assert refuse(tiny_bundle, server=google) == f"server.google_files: {nothing}: there is no such folder"


def test_a_key_of_another_certificate(tiny_bundle: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_certificates(tmp_path / name)
    tls = {"certificate": tmp_path / "one/server.pem", "key": tmp_path / "other/server.key"}
    assert "other/server.key" in refuse(tiny_bundle, tls=tls)
