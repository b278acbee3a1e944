"""The metrics of several processes as those of one: counters, histograms and most gauges are added up."""

from collections.abc import Iterable
from dataclasses import dataclass, field

_LARGEST = ("dragoman_model_info", "dragoman_certificate_expiry_timestamp_seconds", "process_max_fds")
"""Gauges of which every process has the same."""

_SMALLEST = ("process_start_time_seconds",)
_CREATED = "_created"
_COUNTED = ("counter", "histogram", "summary")


@dataclass(slots=True)
class Family:
    """A metric: its comments, its type, and its samples by name and labels as a scrape writes them."""

    comments: list[str] = field(default_factory=list)
    kind: str = "untyped"
    samples: dict[str, float] = field(default_factory=dict)


def read_families(text: str) -> dict[str, Family]:
    """The metrics of a scrape, by name."""
    families: dict[str, Family] = {}
    family = Family()
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            family = families.setdefault(name, Family())
            family.comments.append(line)
            if word == "TYPE":
                family.kind = rest
        elif line:
            sample, _, value = line.rpartition(" ")
            family.samples[sample] = float(value)
    return families


def add_up(all_families: Iterable[dict[str, Family]]) -> dict[str, Family]:
    """The metrics of several processes together."""
    total: dict[str, Family] = {}
    for families in all_families:
        for name, family in families.items():
            into = total.get(name)
            if into is None:
                total[name] = Family(family.comments, family.kind, dict(family.samples))
                continue
            for sample, value in family.samples.items():
                before = into.samples.get(sample)
                into.samples[sample] = value if before is None else _join(name, before, value)
    return total


def _join(name: str, one: float, other: float) -> float:
    if name in _LARGEST:
        return max(one, other)
    if name in _SMALLEST or name.endswith(_CREATED):
        return min(one, other)
    return one + other


def counted_alone(families: dict[str, Family]) -> dict[str, Family]:
    """What stays counted of a process that has ended: all but gauges."""
    return {
        name: family
        for name, family in families.items()
        if family.kind in _COUNTED and not name.startswith("process_") and not name.endswith(_CREATED)
    }


def write_families(families: dict[str, Family]) -> bytes:
    """The text of a scrape."""
    lines: list[str] = []
    for family in families.values():
        lines += family.comments
        lines += [f"{sample} {value!r}" for sample, value in family.samples.items()]
    return ("\n".join(lines) + "\n").encode()
