"""Words that stand in for spans while a sentence is translated, and finding them in its translation."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from dragoman.model.bundle import MeasuredCopying
from dragoman.model.codec import Side
from dragoman.model.config import Direction
from dragoman.translation.markup.content import Role as TagRole
from dragoman.translation.markup.content import Tag, read_content
from dragoman.translation.markup.placement import Placement, TextPair
from dragoman.translation.markup.segments import Inline
from dragoman.translation.markup.word_weights import Weights
from dragoman.translation.normalizing.quotations import Marks, find_quotations, with_levels
from dragoman.translation.protecting.figures import count_figure, is_easy
from dragoman.translation.protecting.hiding import Hidden, is_hidden
from dragoman.translation.protecting.spans import Role

NUM_LEARNT = 16
"""Pieces ⟦1⟧, ⟦2⟧ … that a vocabulary may have; see `training.text_config`."""


@dataclass(frozen=True, slots=True)
class StandIns:
    """Words that a model copies, best first.

    learnt:  pieces that it has learnt to copy.
    names:   for what stands like a name.
    numbers: for what stands like a number.
    count_pieces: in how many pieces a model that has learnt none reads a word; None if unknown.
    """

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    learnt: tuple[str, ...] = ()
    count_pieces: Callable[[str], int] | None = field(default=None, compare=False)

    def of(self, side: Side) -> "StandIns":
        """Those of a model with this vocabulary, with the learnt ones, if it has them."""
        pieces = (f"⟦{number}⟧" for number in range(1, NUM_LEARNT + 1))
        learnt = tuple(piece for piece in pieces if side.piece_id(piece) is not None)
        return replace(self, learnt=learnt, count_pieces=lambda word: len(side.encode(word)))

    def reads(self, kind: str, raw: str) -> bool:
        """Whether the model is shown a figure, a brand or a name in Latin letters itself: to one that has learnt no
        stand-ins, it says more than another word in its place, and most copy it. A brand of many pieces is hard to
        copy."""
        if self.learnt:
            return False
        if kind in ("figure", "latin"):
            return True
        return kind in ("camel", "figure_code") and self.count_pieces is not None and self.count_pieces(raw) < 4

    def choose(self, text: str, spans: Sequence[tuple[Role, str]], attempt: int) -> list[str] | None:
        """A word for each span, all different and none of them in the text; None if there are too few.

        spans: role and content. attempt: 0 for the best words, 1 for others.
        """
        if self.learnt and attempt == 0 and len(spans) <= len(self.learnt):
            return list(self.learnt[: len(spans)])
        attempt -= bool(self.learnt)
        taken = text.casefold()
        free: dict[Role, list[str]] = {}
        for role, words in ((Role.NAME, self.names), (Role.NUMBER, self.numbers)):
            unused = [word for word in words if word.casefold() not in taken]
            count = sum(wanted is role for wanted, _ in spans)
            free[role] = unused[min(max(0, attempt) * max(2, count), max(0, len(unused) - count)) :]
        chosen: list[str] = []
        for role, raw in spans:
            if not free[role]:
                return None
            # A year stands in for a year, since it needs other words beside it than a number does.
            alike = [word for word in free[role] if raw.isdigit() and len(word) == len(raw)]
            chosen.append(alike[0] if alike else free[role][0])
            free[role].remove(chosen[-1])
        return chosen


def measured_stand_ins(measured: Sequence[MeasuredCopying], direction: Direction) -> StandIns:
    """Those that were found to be copied in a direction, or else the default; the default's behind them, if only one or
    two were found."""
    for one in measured:
        if one.direction == direction:
            names, numbers = (tuple(word.word for word in words) for words in (one.names, one.numbers))
            return StandIns(_fill(names, DEFAULT_STAND_INS.names), _fill(numbers, DEFAULT_STAND_INS.numbers))
    return DEFAULT_STAND_INS


def _fill(measured: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    if len(measured) >= MIN_MEASURED:
        return measured
    return tuple(dict.fromkeys((*measured, *others)))


MIN_MEASURED = 3
"""Stand-ins of a kind that a direction needs."""

DEFAULT_STAND_INS = StandIns(
    ("Boston", "Tom", "London", "Paris", "Einstein", "Mozart", "Chicago", "Esperanto", "Shakespeare", "Facebook"),
    ("40", "1950", "35", "60", "70", "2013", "90", "25", "15", "80", "2010", "30", "1945", "2005"),
)
"""Words that most models know and none translates, for models that nobody probed."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The change of a sentence with private characters into words alone.

    words:    for each private character that has a stand-in, this.
    text:     what the model reads.
    elements: the characters without stand-in, and quotations, where they stood in `text`.
    ordered:  the characters that must keep their order: a program fills %s and %d in it.
    left:     the figures that the model reads as they are.
    doubtful: the words that the model reads as they are, though they may be names.
    surnames: the names that the model reads as they are.
    copied:   what else it reads as it is.
    inflected: the characters of what may get an s in a genitive.
    is_strange: whether a word of the target language is none; None if unknown.
    """

    words: tuple[tuple[str, str], ...]
    text: str
    elements: tuple[Inline, ...] = ()
    ordered: str = ""
    left: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    surnames: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    inflected: str = ""
    is_strange: Callable[[str], bool] | None = field(default=None, compare=False)

    @property
    def needs_weights(self) -> bool:
        """Whether word weights say where something belongs."""
        return bool(self.elements)

    @property
    def kept_words(self) -> tuple[str, ...]:
        """The words that the translation must have as the model reads them."""
        return (*(word for _, word in self.words), *self.left, *self.doubtful, *self.surnames, *self.copied)

    def undo(self, target: str, weights: Weights | None = None) -> str | None:
        """A translation with the private characters; None if a stand-in is not there exactly once, or a figure that
        was left is not there as often as in the source."""
        if any(count_figure(figure, target) != self.left.count(figure) for figure in self.left):
            return None
        if any(_count_word(word, target) != self.copied.count(word) for word in self.copied):
            return None
        if not all(_has_word(word, target) for word in self.surnames):
            return None
        if not all(_has_word(word, target) for word in self.doubtful) and self._is_garbled(target):
            return None
        if self.elements:
            placed = Placement([TextPair(self.text, target, weights)]).place(self.elements)
            target = "".join(piece if isinstance(piece, str) else piece.raw for piece in placed)
        for character, word in self.words:
            is_glued = not self._is_apart(word)
            found = list(occurrences(word, target, is_inflected=character in self.inflected, is_glued=is_glued))
            if len(found) != 1:
                return None
            begin = found[0].start()
            target = target[:begin] + character + target[begin + len(word) :]
        if len(self.ordered) > 1 and [one for one in target if one in self.ordered] != list(self.ordered):
            return None
        return target

    def _is_apart(self, word: str) -> bool:
        """Whether a stand-in does not touch the words beside it in the source."""
        begin = self.text.find(word)
        return not self.text[begin - 1 : begin].isalpha() and not self.text[begin + len(word) :][:1].isalpha()

    def _is_garbled(self, target: str) -> bool:
        """Whether the translation has words that are none, nor stand in the source."""
        if self.is_strange is None:
            return False
        return any(word not in self.text and self.is_strange(word) for word in _WORD.findall(target))


_WORD = re.compile(r"[^\W\d_]{3,}(?:['’-][^\W\d_]+)*")
_LETTER = "[^\\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
"""A letter or digit of a script that puts spaces between words, or, for Korean, endings that are no part of them."""


def _has_word(word: str, text: str) -> bool:
    """Whether a word is in a text, not as the begin of another, but for a genitive."""
    return _count_word(word, text) > 0


def _count_word(word: str, text: str) -> int:
    """How often a word is in a text, likewise."""
    return len(re.findall(rf"(?<!\w){re.escape(word)}(?!(?!s\b)\w)", text))


def occurrences(word: str, text: str, *, is_inflected: bool, is_glued: bool) -> Iterable[re.Match[str]]:
    """Where a word is, not as a part of another. is_inflected: whether it may have an s. is_glued: whether signs that
    stand for something may touch letters."""
    before = rf"(?<!{_LETTER})" if word[0].isalnum() or not is_glued else ""
    after = rf"(?!{_LETTER})" if word[-1].isalnum() or not is_glued else ""
    if after and is_inflected and not word[-1].isdigit():
        after = rf"(?!(?!s\b){_LETTER})"
    if word.isdigit():
        before, after = rf"(?<!\d[.,:]){before}", rf"{after}(?![.,:]\d)"
    return re.finditer(f"{before}{re.escape(word)}{after}", text)


def replace_hidden(
    text: str,
    hidden: Hidden,
    stand_ins: StandIns,
    attempt: int,
    is_strange: Callable[[str], bool] | None = None,
    marks: Marks | None = None,
    is_foreign: Callable[[str], bool] | None = None,
) -> Replacement | None:
    """The change of a sentence with private characters; None if there are not enough stand-ins.

    marks: the target's quotation marks. With them, those around a few words of the sentence are put around the
    translation of these, if the model has learnt stand-ins: such a model, trained on little, copies words between
    marks, and loses a mark. One word of 300 dev sentences in straight marks, which it read, cost the bundled model 14
    and 13 chrF and one mark or both of 29 and 68 % of the pairs; placed, 0.1 and 0, and one pair in a hundred.
    is_foreign: whether a word is none of the source language: it is to be copied, as its marks say.
    """
    characters = [character for character in text if is_hidden(character)]
    kinds = {}
    if attempt == 0:
        kinds = {one: _left_kind(hidden, one, text, stand_ins) for one in characters}
    left = {one: hidden.reveal(one) for one, kind in kinds.items() if kind}
    standing = [one for one in characters if one not in left and hidden.span(one).role in (Role.NAME, Role.NUMBER)]
    spans = [(hidden.span(one).role, hidden.reveal(one)) for one in standing]
    words = stand_ins.choose(text + " ".join(left.values()), spans, attempt)
    if words is None:
        return None
    by_character = dict(zip(standing, words, strict=True)) | left
    here = {hidden.span(character).begin for character in text if is_hidden(character)}
    tags: dict[int, Tag] = {}
    marked: frozenset[int] = frozenset()
    if marks is not None and stand_ins.learnt:
        tags, marked = _find_quoted(text, marks, is_foreign)
    content: list[str | Tag] = [""]
    for place, character in enumerate(text):
        if place in tags:
            content.append(tags[place])
        if place in marked:
            continue
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
    figures, doubtful, surnames, copied = (
        tuple(left[one] for one, kind in kinds.items() if kind == wanted)
        for wanted in ("figure", "word", "surname", "copied")
    )
    inflected = "".join(
        one for one in standing if hidden.span(one).kind in _NAMES or not hidden.reveal(one)[-1].isalnum()
    )
    return Replacement(
        tuple(zip(standing, words, strict=True)),
        plain,
        elements,
        "".join(ordered),
        figures,
        doubtful,
        surnames,
        copied,
        inflected,
        is_strange,
    )


def _find_quoted(
    text: str, marks: Marks, is_foreign: Callable[[str], bool] | None
) -> tuple[dict[int, Tag], frozenset[int]]:
    """The marks of quotations that a model does not read, by place, and the places of what they stand for."""
    tags: dict[int, Tag] = {}
    places: set[int] = set()
    for one, level in with_levels(find_quotations(text)):
        words = text[one.first : one.last]
        is_whole = one.begin == 0 and one.end == len(text)  # whose marks stay around all
        is_copied = is_foreign is not None and any(map(is_foreign, _WORD.findall(words)))
        if not is_whole and (is_copied or not _is_placed(words)):
            continue
        begin, end = marks[2:] if level % 2 else marks[:2]
        # What English writes inside the marks, though it belongs to the sentence around.
        is_outside = words[-1] in ".," and not is_whole
        tags[one.begin] = Tag(begin, TagRole.OPEN)
        tags[one.last - is_outside] = Tag(end, TagRole.CLOSE)
        places.update(range(one.begin, one.first), range(one.last, one.end))
    return tags, frozenset(places)


MAX_QUOTED_WORDS = 20
"""Words of a quotation that is placed: of longer ones an alignment loses the ends."""

_BORDER = re.compile(r"[.!?…;:][\"'”’“‘)]?\s")


def _is_placed(words: str) -> bool:
    """Whether marks around these words are placed: they are no whole sentence, which models know from novels, and no
    name, whose marks say that it is one."""
    if len(words.split()) > MAX_QUOTED_WORDS or any(map(is_hidden, words)) or not any(map(str.isalnum, words)):
        return False
    is_sentence = words[-1] in "!?…" or (words[-1] == "." and words[0].isupper())
    return _BORDER.search(words) is None and not is_sentence


_NAMES = ("name", "surname", "word", "camel")


def _left_kind(hidden: Hidden, character: str, text: str, stand_ins: StandIns) -> str:
    """The kind of a span that the model may read as it is; empty if it needs a stand-in."""
    kind, raw = hidden.span(character).kind, hidden.reveal(character)
    if kind in ("word", "surname"):
        return kind
    if kind == "figure":
        begin, _, end = text.partition(character)
        if "." in raw and _VERSIONED.search(begin) is not None and not end.startswith(" Uhr"):
            return ""
        return kind if is_easy(raw) or stand_ins.reads(kind, raw) else ""
    return "copied" if stand_ins.reads(kind, raw) else ""


_VERSIONED = re.compile(r"(?:[^\W\d_]\w*\s|\b[vV]\.?\s?)[A-ZÀ-Þ][\w-]*\s$|\b(?i:version|release|section|kernel)\s$")
"""What stands before a number that is no amount: "macOS Ventura 13.4", "version 2.10"."""


_POSITIONAL = re.compile(r"%[^%({<$]*[a-zA-Z@]|\{\}")
