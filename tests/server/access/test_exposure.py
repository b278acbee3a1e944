from pathlib import Path

import pytest

from dragoman.server.access.exposure import is_loopback, is_open_to_others, warnings_of
from dragoman.server.config import AccessConfig, TlsConfig

KEY = Path("no-such-key.pem")
ENCRYPTED = TlsConfig(certificate=KEY, key=KEY)
MUTUAL = TlsConfig(certificate=KEY, key=KEY, client_ca=KEY)
GUARDED = AccessConfig(tokens=Path("no-such-tokens.toml"))


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.8.0.1:1", "localhost:1", "[::1]:1", "[::1%lo]:1"])
def test_loopback_needs_no_words(listen: str) -> None:
    assert warnings_of(listen, TlsConfig(), AccessConfig()) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.0.0.1", "example", "[fe80::1]", "localhost.example"])
@pytest.mark.parametrize(
    ("tls", "access", "words"),
    [
        (TlsConfig(), AccessConfig(), "has neither TLS nor tokens: anyone who can reach it may call"),
        (TlsConfig(), GUARDED, "is not encrypted: anyone on the network path may read texts and tokens"),
        (ENCRYPTED, AccessConfig(), "requires no token"),
        (ENCRYPTED, GUARDED, None),
        (MUTUAL, AccessConfig(), None),
    ],
    ids=["nothing", "tokens", "tls", "tls-and-tokens", "mutual-tls"],
)
def test_an_open_port_is_told_of_loudly(host: str, tls: TlsConfig, access: AccessConfig, words: str | None) -> None:
    warnings = warnings_of(f"{host}:50051", tls, access)
    if words is None:
        assert warnings == []
    else:
        (warning,) = warnings
        assert warning.startswith(f"WARNING: {host}:50051 ")
        assert words in warning
        assert "\n" not in warning


def test_secrets_that_others_may_read_are_told_of(tmp_path: Path) -> None:
    tokens, key = tmp_path / "tokens.toml", tmp_path / "key.pem"
    for path in (tokens, key):
        path.touch()
        path.chmod(0o644)
    access, tls = AccessConfig(tokens=tokens), TlsConfig(certificate=key, key=key)
    first, second = warnings_of("127.0.0.1:1", tls, access)
    assert f"{tokens} holds tokens, and every user of this machine may read it" in first
    assert f"{key} holds the private key" in second
    for path in (tokens, key):
        path.chmod(0o600)
    assert warnings_of("127.0.0.1:1", tls, access) == []


def test_names_are_taken_for_the_world() -> None:
    assert is_loopback("localhost")
    assert not is_loopback("localhost6")


def test_a_file_that_others_may_read_or_write_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.touch()
    for mode, is_open in ((0o600, False), (0o640, False), (0o644, True), (0o602, True)):
        path.chmod(mode)
        assert is_open_to_others(path) is is_open
    assert not is_open_to_others(path / "nothing")
