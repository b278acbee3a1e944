"""The survival cases: texts that people paste, each with what must be true of its translation."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "cases"
"""One file of JSON lines for each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A text and its checks; those not stated do not count.

    kind:    the name of its file.
    keep:    parts of the source that the translation must have exactly as often, unchanged.
    order:   the kept parts, and these alone, come in the source's order.
    equal:   the translation is the source.
    changed: the translation is not the source. True by default where something is to be kept and not all is.
    values:  figures, as Python writes them ("-3.5", "15:30"), that the translation must have in any notation.
    upper:   no small letter.
    any:     groups of alternatives; one of each group must be there, whatever its case.
    absent:  regular expressions that must not match.
    lines:   as many lines as the source, blank where the source's are.
    """

    kind: str
    source_language: str
    target_language: str
    source: str
    keep: tuple[str, ...] = ()
    order: bool = False
    equal: bool = False
    changed: bool = False
    values: tuple[str, ...] = ()
    upper: bool = False
    any: tuple[tuple[str, ...], ...] = field(default=())
    absent: tuple[str, ...] = ()
    lines: bool = False

    @property
    def direction(self) -> str:
        return f"{self.source_language}-{self.target_language}"


def read_cases(folder: Path = FOLDER) -> Iterator[Case]:
    """The cases of all files, in order. Raises ValueError that names the line of a case that checks nothing, whose kept
    parts are not in its source, or that is there twice."""
    seen: set[tuple[str, str]] = set()
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if line:
                case = _read_case(json.loads(line), path.stem)
                key = (case.direction, case.source)
                if key in seen or not _is_sound(case):
                    raise ValueError(f"{path}:{number}: checks nothing, keeps what is not there, or is there twice")
                seen.add(key)
                yield case


def _read_case(record: dict[str, Any], kind: str) -> Case:
    record = {key: _freeze(value) for key, value in record.items()}
    source_language, target_language = record.pop("from"), record.pop("to")
    if "changed" not in record:
        record["changed"] = bool(record.get("keep")) and not record.get("equal")
    return Case(kind=kind, source_language=source_language, target_language=target_language, **record)


def _freeze(value: Any) -> Any:
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


def _is_sound(case: Case) -> bool:
    checks = case.keep or case.equal or case.changed or case.values or case.upper or case.any or case.absent
    return bool(checks or case.lines) and all(part in case.source for part in case.keep)
