"""Admission of calls, the same for every transport: who calls, and whether another call may run."""

import asyncio

from dragoman.server.access.counts import Counts
from dragoman.server.access.quotas import Quotas
from dragoman.server.access.tokens import Token, TokenFile
from dragoman.server.access.usage import Usage
from dragoman.server.config import AccessConfig, LimitsConfig


def make_admission(access: AccessConfig, limits: LimitsConfig, counts: Counts | None = None) -> "Admission":
    """As configured. counts: those of several processes. Raises NotFoundError or InvalidInputError for a faulty token
    file, and DragomanError if the file of usage cannot be used."""
    tokens = None if access.tokens is None else TokenFile(access.tokens)
    usage = Usage(access.usage, counts=counts)
    return Admission(tokens, Quotas(limits.max_concurrent_calls, limits.max_concurrent_calls_per_client, usage))


class Running:
    """Counts running calls."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        """Set while no call is running."""
        self.idle.set()
        self._number = 0

    def enter(self) -> None:
        """A call begins."""
        self._number += 1
        self.idle.clear()

    def leave(self) -> None:
        """A call ends."""
        self._number -= 1
        if not self._number:
            self.idle.set()


class Admission:
    """The tokens, the quotas and the running calls of all transports together. For the event loop alone."""

    def __init__(self, tokens: TokenFile | None, quotas: Quotas) -> None:
        """tokens: None lets everybody in."""
        self.quotas = quotas
        self.running = Running()
        self._tokens = tokens

    @property
    def needs_token(self) -> bool:
        """Whether a call needs a token."""
        return self._tokens is not None

    def find(self, presented: str) -> Token | None:
        """The token that a caller presents; None if there is no such token."""
        return None if self._tokens is None else self._tokens.find(presented.strip())
