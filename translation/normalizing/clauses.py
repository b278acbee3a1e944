"""Long sentences, cut where a clause ends, and the translations of the parts made one sentence again.

A model drops some of a sentence that is longer than those it was trained on. The parts stand as sentences before the
model, with a capital and a full stop, and lose both in the translation.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dragoman.model.config import Direction
from dragoman.translation.languages import primary_subtag

MIN_WORDS = 3
"""Fewest words of a part."""

CUT_COST = 0.3
"""What every cut costs, against parts that are too long."""

MAX_CUTS = 200
"""Places considered in one sentence; the time to choose among them grows with the square."""


class Words(NamedTuple):
    """Words of a language that begin a clause.

    coordinating:  "and", where a main clause may follow; the first three are "and", "or" and "but".
    subordinating: "because"; where they follow a comma, or even without, a clause begins.
    subjects:      pronouns that are a clause's subject.
    openers:       articles and the like; what they begin may also be an item of a list.
    """

    coordinating: tuple[str, ...]
    subordinating: frozenset[str]
    subjects: frozenset[str]
    openers: frozenset[str]


def _words(coordinating: str, subordinating: str, subjects: str, openers: str) -> Words:
    return Words(
        tuple(coordinating.split()), *(frozenset(words.split()) for words in (subordinating, subjects, openers))
    )


_WORDS = {
    "en": _words(
        "and or but so yet nor then",
        "because although though while whereas when whenever if unless until since before after as whether where",
        "i he she it we they you there this these those nobody everybody someone everyone i'm i've i'll i'd he's "
        "she's "
        "it's we're they're you're there's that's he'd she'd we'd they'd we've they've you've he'll she'll we'll "
        "they'll it'll you'll",
        "the a an my your his her its our their that tom mary some many most every all no one nothing",
    ),
    "de": _words(
        "und oder aber denn sondern doch jedoch dann",
        "weil obwohl während wenn als falls bis seit bevor nachdem da dass ob damit sodass wo sobald solange",
        "ich er sie es wir ihr du man dies jeder niemand jemand alle dort hier dann danach deshalb trotzdem",
        "der die das ein eine mein meine dein deine sein seine ihre unser unsere euer eure dieser diese dieses kein "
        "keine "
        "tom maria viele einige manche",
    ),
    "fr": _words(
        "et ou mais donc or puis",
        "parce puisque bien quand lorsque si pendant tandis avant après jusqu'à comme dès",
        "je j'ai tu il elle on nous vous ils elles ce c'est cela ça",
        "le la les un une mon ma mes ton ta son sa ses notre votre leur leurs l'",
    ),
    "es": _words(
        "y o pero e así pues luego",
        "porque aunque cuando mientras si antes después hasta desde como",
        "yo tú él ella nosotros ellos ellas usted ustedes esto eso",
        "el la los las un una mi mis tu su sus nuestro nuestra",
    ),
    "it": _words(
        "e o ma quindi poi però",
        "perché sebbene quando mentre se prima dopo finché poiché siccome",
        "io tu lui lei noi voi loro questo ciò",
        "il lo la i gli le un una mio mia tuo suo sua nostro",
    ),
    "nl": _words(
        "en of maar want dus dan",
        "omdat hoewel terwijl wanneer als tot sinds voordat nadat toen of zodat",
        "ik hij zij ze het wij we jullie jij je u men dit er",
        "de een mijn jouw zijn haar onze ons hun",
    ),
}
_NO_WORDS = _words("", "", "", "")

_GAP = re.compile(r"\s*[;:,–—]\s+|\s+[-–—]+\s+|\s+")
_FIRST_WORDS = re.compile(r"(\w[\w'’]*)(?:\s+(\w[\w'’]*))?")
_OPENING, _CLOSING = "([{“„«‚", ")]}”»"
_ENDS = re.compile(r"[.!?…][\"'”’»)\]]*$")


class _Cut(NamedTuple):
    """A place to cut: the end of what is before, the beginning of what is behind, and what it costs."""

    end: int
    begin: int
    cost: float


@dataclass(frozen=True, slots=True)
class Clause:
    """The change of a part of a sentence that stands before the model as a sentence of its own. Undoing it takes off
    what was added.

    is_first, is_last: whether the part begins or ends the sentence.
    lower:             writes the first word of a translation as it is written within a sentence.
    begin:             the word of the target language for the "and" that the part has lost.
    end:               what ends the translation instead of a full stop, as the comma that German has before "weil".
    """

    is_first: bool
    is_last: bool
    lower: Callable[[str], str]
    begin: str = ""
    end: str = ""

    def undo(self, target: str) -> str:
        """See `Change`."""
        if not self.is_last:
            target = re.sub(r"\s*[.!,;:…]+$", "", target) + self.end
        if self.is_first:
            return target
        lowered = re.sub(r"\w[\w'’-]*", lambda word: self.lower(word[0]), target, count=1)
        return f"{self.begin} {lowered}" if self.begin else lowered


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sentence. gap: what stands before it; text: its words; clause: None for the whole sentence."""

    gap: str
    text: str
    clause: Clause | None


def cut(
    sentence: str, direction: Direction, num_pieces: int, most: int, lower: Callable[[str], str]
) -> tuple[list[Part], str]:
    """The parts of a sentence, see `find_parts`, and what stands behind the last.

    lower: writes the first word of a translation as it is written within a sentence.
    """
    spans = find_parts(sentence, direction.source, num_pieces, most)
    parts: list[Part] = []
    place = 0
    for number, (begin, end) in enumerate(spans):
        is_last = number == len(spans) - 1
        behind = "" if is_last else sentence[end : spans[number + 1][0]]
        needs_comma = not is_last and not behind.strip() and _wants_comma(sentence[spans[number + 1][0] :], direction)
        clause = Clause(number == 0, is_last, lower, "", "," if needs_comma else "")
        parts.append(Part(sentence[place:begin], sentence[begin:end], clause))
        place = end
    return parts, sentence[place:]


def split_conjunction(text: str, direction: Direction) -> tuple[str, str]:
    """A clause without the "and", "or" or "but" before it, and the word for that in the target language; empty where
    there is none, or where the languages are unknown."""
    source, target = (_WORDS.get(primary_subtag(one)) for one in (direction.source, direction.target))
    first, _, rest = text.partition(" ")
    if source is None or target is None or not rest or first not in source.coordinating[:3]:
        return text, ""
    return rest, target.coordinating[source.coordinating.index(first)]


def _wants_comma(following: str, direction: Direction) -> bool:
    """Whether the target language has a comma before a clause of the source that has none before it."""
    if primary_subtag(direction.target) != "de":
        return False
    words = _WORDS.get(primary_subtag(direction.source), _NO_WORDS)
    match = _FIRST_WORDS.match(following)
    return match is not None and match[1].lower() in words.subordinating


def as_sentence(part: str) -> str:
    """A part of a sentence as it stands before the model."""
    part = part[:1].title() + part[1:]
    return part if _ENDS.search(part) else part + "."


def find_parts(sentence: str, language: str, num_pieces: int, most: int) -> list[tuple[int, int]]:
    """The parts of a sentence, as their first character and that behind their last; white space and the signs between
    clauses are in none. One part if the sentence is short enough, or has no place to cut.

    num_pieces: of the sentence. most: pieces that a part should not exceed.
    """
    whole = [(0, len(sentence))]
    if num_pieces <= most and ";" not in sentence:
        return whole
    cuts = list(_find_cuts(sentence, _WORDS.get(primary_subtag(language), _NO_WORDS)))
    if not cuts or len(cuts) > MAX_CUTS:
        return whole
    return _choose(sentence, cuts, most * len(sentence) / num_pieces)


def _find_cuts(sentence: str, words: Words) -> list[_Cut]:
    cuts: list[_Cut] = []
    depth, is_quoted, place = 0, False, 0
    for gap in _GAP.finditer(sentence):
        for character in sentence[place : gap.start()]:
            depth += (character in _OPENING) - (character in _CLOSING)
            is_quoted ^= character == '"'
        place = gap.start()
        if gap.start() == 0 or gap.end() == len(sentence):
            continue
        cost = _cost(gap[0].strip(), sentence, gap.end(), words)
        if cost is not None and depth <= 0 and not is_quoted:
            cuts.append(_Cut(gap.start(), gap.end(), cost))
    return cuts


def _cost(sign: str, sentence: str, begin: int, words: Words) -> float | None:
    """What a cut before `begin` costs, behind a sign or none; None where no clause begins."""
    if sign in (";", "–", "—", "-"):
        return -CUT_COST if sign == ";" else 0.5
    match = _FIRST_WORDS.match(sentence, begin)
    if match is None:
        return None
    first, second = match[1].lower(), (match[2] or "").lower()
    if sign == ":":
        return 0.5
    if first in words.coordinating:
        if second in words.subjects or second in words.subordinating:
            return 0.0 if sign else 0.1
        if second in words.openers:
            return 0.2 if sign else 0.5
        return 0.4 if sign else None
    if first in words.subordinating:
        return 0.3 if sign else 0.7 if second in words.subjects or second in words.openers else None
    if not sign:
        return None
    return 0.2 if first in words.subjects else 0.3 if first in words.openers else 1.5


def _choose(sentence: str, cuts: Sequence[_Cut], most: float) -> list[tuple[int, int]]:
    """The cuts that cost least, together with what parts of more than `most` characters cost."""
    begins = [0, *(cut.begin for cut in cuts)]
    ends = [*(cut.end for cut in cuts), len(sentence)]
    best: list[tuple[float, int]] = []  # for each end: the cost up to it, and the number of its part's beginning
    for last, end in enumerate(ends):
        found = (float("inf"), 0)
        for first in range(last, -1, -1):
            part = sentence[begins[first] : end]
            is_whole = first == 0 and last == len(cuts)
            if not is_whole and part.count(" ") < MIN_WORDS - 1:
                continue
            before = 0.0 if first == 0 else best[first - 1][0] + cuts[first - 1].cost + CUT_COST
            found = min(found, (before + _excess(len(part) / most), first))
        best.append(found)
    parts: list[tuple[int, int]] = []
    last = len(cuts)
    while last >= 0:
        first = best[last][1]
        parts.append((begins[first], ends[last]))
        last = first - 1
    return parts[::-1]


def _excess(share: float) -> float:
    """What a part costs that has this share of the allowed length."""
    return 4 * max(0.0, share - 1) + 0.2 * share * share
