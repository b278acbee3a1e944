"""Whether a translation keeps what its case says that it must."""

import re
from collections.abc import Iterator

from tests.survival.cases import Case
from tests.survival.figures import read_figures


def find_faults(case: Case, output: str) -> list[str]:
    """What is wrong with a translation, in words; empty if nothing is."""
    return list(_faults(case, output))


def _faults(case: Case, output: str) -> Iterator[str]:
    for part in case.keep:
        due, found = count(part, case.source), count(part, output)
        if due != found:
            yield f'"{part}" is there {found} times, not {due}'
    if case.order and _places(case, case.source) != _places(case, output):
        yield "the kept parts are in another order"
    if case.equal and output != case.source:
        yield "is not the source"
    if case.changed and output.strip() == case.source.strip():
        yield "is untranslated"
    figures = read_figures(output) if case.values else set()
    for value in case.values:
        if value not in figures:
            yield f"the figure {value} is missing"
    if case.upper and any(map(str.islower, output.replace("ß", ""))):
        yield "has small letters"
    for alternatives in case.any:
        if not any(alternative.lower() in output.lower() for alternative in alternatives):
            yield f"has none of {', '.join(alternatives)}"
    for pattern in case.absent:
        if re.search(pattern, output):
            yield f"has {pattern}"
    if case.lines and _shape(output) != _shape(case.source):
        yield "has other lines"


def count(part: str, text: str) -> int:
    """How often a part is in a text, not as a part of a longer word or number."""
    before = r"(?<!\w)" if part[0].isalnum() else ""
    after = r"(?!\w)" if part[-1].isalnum() else ""
    return len(re.findall(before + re.escape(part) + after, text))


def _places(case: Case, text: str) -> list[str]:
    """The kept parts in the order of their first places."""
    return sorted(case.keep, key=lambda part: (text.find(part), part))


def _shape(text: str) -> list[bool]:
    """For each line whether it has anything."""
    return [bool(line.strip()) for line in text.split("\n")]
