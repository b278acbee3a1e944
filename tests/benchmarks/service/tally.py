"""What became of calls."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

MAX_EXAMPLES = 20

EXPECTED_ENDS = frozenset({"right", "cancelled", "timed out", "refused", "rejected"})
"""refused: back-pressure, with a hint when to come again. rejected: the call was malformed, and told so. timed out,
cancelled: those that were meant to be."""


@dataclass(frozen=True, slots=True)
class CallEnd:
    """started, ended: time.monotonic(), the same clock for all processes of the machine."""

    kind: str
    end: str
    started: float
    ended: float


@dataclass(slots=True)
class Tally:
    """counts: calls by kind and end, such as "translate right". num_texts: that were translated and checked.
    examples: of ends that should not be. ends: every call, only if asked for."""

    counts: Counter[str] = field(default_factory=Counter)
    num_texts: int = 0
    examples: list[str] = field(default_factory=list)
    ends: list[CallEnd] = field(default_factory=list)

    def add(self, call: CallEnd, detail: str = "", *, keep: bool = False) -> None:
        """keep: whether it goes into `ends`, too."""
        self.counts[f"{call.kind} {call.end}"] += 1
        if call.end not in EXPECTED_ENDS and len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"{call.kind} {call.end}: {detail}"[:500])
        if keep:
            self.ends.append(call)

    def num(self, end: str) -> int:
        """Calls of all kinds that ended so."""
        return sum(count for name, count in self.counts.items() if name.partition(" ")[2] == end)

    @property
    def num_calls(self) -> int:
        return self.counts.total()

    @property
    def num_unexpected(self) -> int:
        return sum(count for name, count in self.counts.items() if name.partition(" ")[2] not in EXPECTED_ENDS)

    def to_json(self) -> dict[str, Any]:
        return {
            "counts": dict(sorted(self.counts.items())),
            "num_texts": self.num_texts,
            "examples": self.examples,
            "ends": [[end.kind, end.end, end.started, end.ended] for end in self.ends],
        }

    @classmethod
    def merged(cls, parts: Iterable[dict[str, Any]]) -> Self:
        """Those of several processes, as `to_json` gives them."""
        whole = cls()
        for part in parts:
            whole.counts.update(part["counts"])
            whole.num_texts += part["num_texts"]
            whole.examples += part["examples"]
            whole.ends += [CallEnd(*end) for end in part["ends"]]
        return whole
