"""Words that stand in for spans while a sentence is translated, and finding them in its translation."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dragoman.translation.markup.content import Role as TagRole
from dragoman.translation.markup.content import Tag, read_content
from dragoman.translation.markup.placement import Placement, TextPair
from dragoman.translation.markup.segments import Inline
from dragoman.translation.markup.word_weights import Weights
from dragoman.translation.protecting.hiding import Hidden, is_hidden
from dragoman.translation.protecting.spans import Role


@dataclass(frozen=True, slots=True)
class StandIns:
    """Words that a model copies, best first. names: for what stands like a name; numbers: like a number."""

    names: tuple[str, ...]
    numbers: tuple[str, ...]

    def choose(self, text: str, roles: Sequence[Role], attempt: int) -> list[str] | None:
        """A word for each role, all different and none of them in the text; None if there are too few. attempt: 0
        for the best, 1 for others."""
        taken = text.casefold()
        chosen: list[str] = []
        free = {
            role: [word for word in words if word.casefold() not in taken]
            for role, words in ((Role.NAME, self.names), (Role.NUMBER, self.numbers))
        }
        for role, words in free.items():
            count = sum(wanted is role for wanted in roles)
            start = min(attempt * max(2, count), max(0, len(words) - count))
            free[role] = words[start:]
        for role in roles:
            if not free[role]:
                return None
            chosen.append(free[role].pop(0))
        return chosen


DEFAULT_STAND_INS = StandIns(
    ("Boston", "Tom", "London", "Paris", "Einstein", "Mozart", "Chicago", "Esperanto", "Shakespeare", "Facebook"),
    ("40", "1950", "35", "60", "70", "2013", "90", "25", "15", "80", "2010", "30"),
)


@dataclass(frozen=True, slots=True)
class Replacement:
    """The change of a sentence with private characters into words alone.

    words:    for each private character that has a stand-in, this.
    text:     what the model reads.
    elements: the characters without stand-in, where they stood in `text`.
    ordered:  the characters that must keep their order: a program fills %s and %d in it.
    """

    words: tuple[tuple[str, str], ...]
    text: str
    elements: tuple[Inline, ...] = field(default=())
    ordered: str = ""

    @property
    def needs_weights(self) -> bool:
        """Whether word weights say where something belongs."""
        return bool(self.elements)

    def undo(self, target: str, weights: Weights | None = None) -> str | None:
        """A translation with the private characters; None if a stand-in is not there exactly once."""
        if self.elements:
            placed = Placement([TextPair(self.text, target, weights)]).place(self.elements)
            target = "".join(piece if isinstance(piece, str) else piece.raw for piece in placed)
        for character, word in self.words:
            found = list(_occurrences(word, target))
            if len(found) != 1:
                return None
            begin, end = found[0].span()
            target = target[:begin] + character + target[end:]
        if len(self.ordered) > 1 and [one for one in target if one in self.ordered] != list(self.ordered):
            return None
        return target


def _occurrences(word: str, text: str) -> Iterable[re.Match[str]]:
    """Where a word is, not as a part of another."""
    after = r"(?!\w|[.,]\d)" if word[-1].isdigit() else r"(?!\w)"
    return re.finditer(rf"(?<!\w){re.escape(word)}{after}", text)


def replace_hidden(text: str, hidden: Hidden, stand_ins: StandIns, attempt: int) -> Replacement | None:
    """The change of a sentence with private characters; None if there are not enough stand-ins."""
    standing = [one for one in text if is_hidden(one) and hidden.span(one).role in (Role.NAME, Role.NUMBER)]
    words = stand_ins.choose(text, [hidden.span(character).role for character in standing], attempt)
    if words is None:
        return None
    pairs = tuple(zip(standing, words, strict=True))
    by_character = dict(pairs)
    here = {hidden.span(character).begin for character in text if is_hidden(character)}
    content: list[str | Tag] = [""]
    for place, character in enumerate(text):
        last = content[-1]
        if not is_hidden(character) or character in by_character:
            shown = by_character.get(character, character)
            if isinstance(last, str):
                content[-1] = last + shown
            else:
                content.append(shown)
            continue
        span, raw = hidden.span(character), character
        role = TagRole.SINGLE
        if span.partner in here and span.partner is not None:
            role = TagRole.OPEN if span.begin < span.partner else TagRole.CLOSE
        elif isinstance(last, str) and last[-1:].isspace() and not text[place + 1 : place + 2].strip():
            content[-1] = last[:-1]
            raw = " " + raw
        content.append(Tag(raw, role))
    plain, elements = read_content(content)
    ordered = [one for one in standing if _POSITIONAL.match(hidden.reveal(one))]
    if len({hidden.reveal(one) for one in ordered}) < 2:
        ordered = []
    return Replacement(pairs, plain, elements, "".join(ordered))


_POSITIONAL = re.compile(r"%[^%({<$]*[a-zA-Z@]|\{\}")
