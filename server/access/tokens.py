"""A file of bearer tokens, with the name and the limits of each."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from dragoman.model.config_files import StrictModel, find_repeated, read_toml, validate_tree
from dragoman.model.errors import DragomanError
from dragoman.server.call_context import Priority
from dragoman.server.watching import FileWatch

POLL_SECONDS = 1.0
"""Least interval between checks of the file."""

logger = logging.getLogger(__name__)


class TokenEntry(StrictModel):
    """One of the file's [[tokens]] tables."""

    name: str = Field(pattern=r"^[\x21-\x7e]{1,64}$", description="Name for the log and for fair shares.")
    token: str | None = Field(None, pattern=r"^[\x21-\x7e]+$", description="The token itself.")
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-fA-F]{64}$", description="Or its SHA-256, hexadecimal, as sha256sum prints it."
    )
    max_concurrent_calls: int | None = Field(
        None, ge=1, description="Overrides limits.max_concurrent_calls_per_client."
    )
    characters_per_minute: int | None = Field(
        None, ge=1, description="Characters of source texts; by default no limit."
    )
    characters_per_day: int | None = Field(None, ge=1, description="The same, by day in UTC; a quota.")
    characters_per_month: int | None = Field(None, ge=1, description="The same, by month in UTC; a quota.")
    calls_per_day: int | None = Field(None, ge=1, description="Calls with texts, by day in UTC; a quota.")
    calls_per_month: int | None = Field(None, ge=1, description="The same, by month in UTC; a quota.")
    max_priority: Literal["interactive", "batch"] = Field("interactive", description="The highest priority allowed.")

    @model_validator(mode="after")
    def _has_one_of_both(self) -> Self:
        if (self.token is None) == (self.sha256 is None):
            raise ValueError("give either token or sha256")
        return self

    @property
    def digest(self) -> bytes:
        """SHA-256 of the token."""
        if self.token is not None:
            return sha256(self.token.encode()).digest()
        return bytes.fromhex(self.sha256 or "")


class _Tokens(StrictModel):
    tokens: tuple[TokenEntry, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if not self.tokens:
            raise ValueError("tokens: there is none")
        name = find_repeated(entry.name for entry in self.tokens)
        if name is not None:
            raise ValueError(f'tokens: two are called "{name}"')
        if len({entry.digest for entry in self.tokens}) < len(self.tokens):
            raise ValueError("tokens: two names have the same token")
        return self


@dataclass(frozen=True, slots=True)
class Token:
    """A recognized token; see `TokenEntry`."""

    name: str
    max_concurrent_calls: int | None = None
    characters_per_minute: int | None = None
    max_priority: Priority = Priority.INTERACTIVE
    characters_per_day: int | None = None
    characters_per_month: int | None = None
    calls_per_day: int | None = None
    calls_per_month: int | None = None

    @property
    def has_quota(self) -> bool:
        """Whether a day or a month has a limit."""
        quotas = (self.characters_per_day, self.characters_per_month, self.calls_per_day, self.calls_per_month)
        return any(quota is not None for quota in quotas)


class TokenFile:
    """The tokens of a file, read again when it changes. If the new file is broken, the old tokens stay valid.

    Not thread-safe: for the event loop alone.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds. Raises NotFoundError for a missing file, InvalidInputError that names a faulty key."""
        self._path = path
        self._clock = clock
        self._watch = FileWatch(path)
        self._tokens = self._read()
        self._looked_at = clock()

    def find(self, presented: str) -> Token | None:
        """The presented token if it is in the file, otherwise None.

        The lookup uses the digest: an attacker cannot choose tokens whose digests approach a known one, so the lookup's
        duration reveals nothing about the tokens.
        """
        self._look()
        return self._tokens.get(sha256(presented.encode(errors="surrogateescape")).digest())

    def _look(self) -> None:
        """Read the file again if a check is due and it has changed."""
        now = self._clock()
        if now - self._looked_at < POLL_SECONDS:
            return
        self._looked_at = now
        if not self._watch.has_changed():  # a broken file is logged once
            return
        try:
            self._tokens = self._read()
        except DragomanError as error:
            logger.error("the old tokens stay valid: %s", error)
        else:
            logger.warning("%s was reloaded: %d tokens", self._path, len(self._tokens))

    def _read(self) -> dict[bytes, Token]:
        tree: dict[str, Any] = read_toml(self._path)
        entries = validate_tree(_Tokens, tree, origin=str(self._path)).tokens
        return {
            entry.digest: Token(
                entry.name,
                entry.max_concurrent_calls,
                entry.characters_per_minute,
                Priority.BATCH if entry.max_priority == "batch" else Priority.INTERACTIVE,
                entry.characters_per_day,
                entry.characters_per_month,
                entry.calls_per_day,
                entry.calls_per_month,
            )
            for entry in entries
        }
