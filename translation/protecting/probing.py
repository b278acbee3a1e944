"""Trying which words a model copies: they stand in for what it must not change, see `stand_ins`."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dragoman.model.bundle import CONFIG_FILE, CopiedWord, MeasuredCopying, config_json, find_bundle, read_config
from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.files import write_atomically
from dragoman.translation.protecting.carriers import SLOT, carriers_of
from dragoman.translation.protecting.stand_ins import occurrences
from dragoman.translation.translator import Translator

Translate = Callable[[Sequence[str], Direction], Sequence[str]]
"""Translates texts as they are, each as one sentence."""

_WORDS = """
Boston London Paris Tom Einstein Mozart Chicago Shakespeare Esperanto Facebook Berlin Google Windows Microsoft Linux
Python Picasso Darwin Obama Robert Peter David Anna Maria Laura Bob Kevin Texas California Manhattan Hollywood Toyota
Sony Nokia Disney Wikipedia Internet Hamburg Madrid Toronto Melbourne Oxford Beethoven Newton Freud X1 A1 XY QZ Z9 DNA
NASA IBM URL
"""
NAMES = tuple(_WORDS.split())
"""Candidates that stand like a name: cities, people, firms, which most languages write alike, and codes; the likeliest
first."""

NUMBERS = tuple(map(str, (40, 1950, 35, 60, 70, 2013, 90, 25, 15, 80, 2010, 30, 1945, 2005, 17, 48, 1998, 2020, 120)))
"""Candidates that stand like a number."""

MIN_RATE = 0.85
"""Share of carriers from which a stand-in must come out."""

MAX_WORDS = 14
"""Stand-ins of a kind that are kept."""

NUM_SCREENED = 2
"""Carriers that decide which candidates are tried with all: most words of most models are not copied."""

MAX_DIRECTIONS = 4
"""Directions of a bundle that are probed unasked: more would take minutes."""


def probe_copying(translate: Translate, direction: Direction) -> MeasuredCopying:
    """The words that come out of their carriers exactly once, alone and beside another, best first, with the share of
    carriers where they do."""
    carriers = carriers_of(direction.source)
    return MeasuredCopying(
        direction=direction,
        names=_measure(translate, direction, NAMES, carriers.names, carriers.pairs),
        numbers=_measure(translate, direction, NUMBERS, carriers.numbers, _join_neighbours(carriers.numbers)),
    )


def _measure(
    translate: Translate,
    direction: Direction,
    words: Sequence[str],
    carriers: Sequence[str],
    pairs: Sequence[str] = (),
) -> tuple[CopiedWord, ...]:
    """pairs: carriers with places for two words."""
    alone = [(word,) for word in words]
    screened = _rates(translate, direction, alone, carriers[:NUM_SCREENED])
    likely = [group for group in alone if screened[group[0]] == 1]
    rates = _rates(translate, direction, likely, carriers)
    good = [word for word, rate in rates.items() if rate >= MIN_RATE]
    if pairs and len(good) > 1:
        beside = _rates(translate, direction, list(zip(good, good[1:] + good[:1], strict=True)), pairs)
        num_alone, num_beside = len(carriers), 2 * len(pairs)
        rates = {
            word: (rates[word] * num_alone + beside[word] * num_beside) / (num_alone + num_beside) for word in good
        }
    found = [(word, rates[word]) for word in good if rates[word] >= MIN_RATE]
    found.sort(key=lambda one: -one[1])  # stable: of equal ones, the likelier come first
    return tuple(CopiedWord(word=word, rate=round(rate, 3)) for word, rate in found[:MAX_WORDS])


def _join_neighbours(carriers: Sequence[str]) -> list[str]:
    """Sentences of two carriers each: with places for two words."""
    neighbours = itertools.pairwise(carriers)
    return [f"{first.rstrip(_STOPS)}, {second[0].lower()}{second[1:]}" for first, second in neighbours]


_STOPS = ".!?。"


def _rates(
    translate: Translate, direction: Direction, groups: Sequence[tuple[str, ...]], carriers: Sequence[str]
) -> dict[str, float]:
    """The share of its sentences from which each word of the groups comes out. Each carrier takes a group's words."""
    sentences = [(group, _fill(carrier, group)) for group in groups for carrier in carriers]
    counts: dict[str, list[bool]] = {}
    if sentences:
        targets = translate([text for _, text in sentences], direction)
        for (group, _), target in zip(sentences, targets, strict=True):
            for word in group:
                found = list(occurrences(word, target, is_inflected=False, is_glued=False))
                counts.setdefault(word, []).append(len(found) == 1)
    return {word: sum(marks) / len(marks) for word, marks in counts.items()}


def _fill(carrier: str, words: Sequence[str]) -> str:
    for word in words:
        carrier = carrier.replace(SLOT, word, 1)
    return carrier


def add_copying(bundle: str | Path, directions: Sequence[Direction] | None = None) -> tuple[MeasuredCopying, ...]:
    """Write the words that a bundle copies into it, in place of those of the same direction. Returns the new ones.

    directions: those to probe; None: all, unless there are more than MAX_DIRECTIONS.

    Raises what `Translator.load` raises, and DragomanError if the bundle cannot be written.
    """
    folder = find_bundle(str(bundle))
    if directions is None:
        known = read_config(folder).directions
        directions = known if len(known) <= MAX_DIRECTIONS else ()
    if not directions:
        return ()
    translator = Translator.load(folder, num_threads=1)
    try:
        measured = tuple(probe_copying(_translate_by(translator), direction) for direction in directions)
    finally:
        translator.close()
    kept = (one for one in translator.info.copying if one.direction not in directions)
    info = replace(translator.info, copying=(*kept, *measured))
    write_atomically(folder / CONFIG_FILE, config_json(info))
    return measured


def _translate_by(translator: Translator) -> Translate:
    def translate(texts: Sequence[str], direction: Direction) -> list[str]:
        found = translator.stream(
            texts, direction, SearchOptions(beam_size=1, max_retries=0), split_sentences=False, protect=False
        )
        return [translation.text for translation in found]

    return translate
