import hashlib
from pathlib import Path

import pytest

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.access.tokens import POLL_SECONDS, Token, TokenFile
from dragoman.server.call_context import Priority
from dragoman.server.watching import FileWatch


def read(path: Path, content: str) -> TokenFile:
    path.write_text(content)
    return TokenFile(path, clock=lambda: 0.0)


def entry(name: str, key: str) -> str:
    return f'[[tokens]]\nname = "{name}"\n{key}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.toml"


def test_tokens_are_known_by_themselves_or_by_their_digests(path: Path) -> None:
    digest = hashlib.sha256(b"of bob").hexdigest()
    limits = 'max_concurrent_calls = 2\ncharacters_per_minute = 3\nmax_priority = "batch"'
    tokens = read(path, entry("alice", 'token = "of-alice"') + entry("bob", f'sha256 = "{digest.upper()}"\n{limits}'))
    assert tokens.find("of-alice") == Token("alice")
    assert tokens.find("of bob") == Token("bob", 2, 3, Priority.BATCH)
    for unknown in ("", "of-alic", "of-alice ", "bob", digest, "\udc80"):
        assert tokens.find(unknown) is None


def test_each_of_many_tokens_is_found_and_no_other(path: Path) -> None:
    names = [f"client-{number}" for number in range(2000)]
    tokens = read(path, "".join(entry(name, f'token = "of-{name}"') for name in names))
    assert [found.name for name in names if (found := tokens.find(f"of-{name}"))] == names
    assert tokens.find("of-client") is None
    assert tokens.find("") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "tokens: Field required"),
        ("tokens = []", "tokens: there is none"),
        (entry("a", ""), "tokens.0: give either token or sha256"),
        (entry("a", f'token = "x"\nsha256 = "{"0" * 64}"'), "tokens.0: give either token or sha256"),
        (entry("a", 'sha256 = "abc"'), "tokens.0.sha256: String should match pattern"),
        (entry("a", 'token = "two words"'), "tokens.0.token: String should match pattern"),
        (entry("a b", 'token = "x"'), "tokens.0.name: String should match pattern"),
        (entry("a", 'token = "x"\nquota = 3'), "tokens.0.quota: unknown key"),
        (entry("a", 'token = "x"\nmax_priority = "high"'), "tokens.0.max_priority: Input should be"),
        (entry("a", 'token = "x"\ncharacters_per_minute = 0'), "tokens.0.characters_per_minute: Input should be"),
        (entry("a", 'token = "x"') + entry("a", 'token = "y"'), 'tokens: two are called "a"'),
        (entry("a", 'token = "x"') + entry("b", 'token = "x"'), "tokens: two names have the same token"),
        ("[[tokens", "not TOML"),
    ],
)
def test_a_broken_file_is_refused_and_its_secrets_are_not_told(path: Path, content: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(path, content)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "; " not in str(caught.value)  # the one mistake alone
    assert "two words" not in str(caught.value)


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"tokens\.toml: no such file"):
        TokenFile(path)


def test_the_file_is_looked_at_no_more_than_once_a_second(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(entry("a", 'token = "x"'))
    now = 0.0
    tokens = TokenFile(path, clock=lambda: now)
    looks = 0

    def count(watch: FileWatch) -> bool:
        nonlocal looks
        looks += 1
        return False

    monkeypatch.setattr(FileWatch, "has_changed", count)
    for now in (0.0, 0.5 * POLL_SECONDS, POLL_SECONDS, 1.5 * POLL_SECONDS, 2 * POLL_SECONDS):  # noqa: B007
        tokens.find("x")
    assert looks == 2
