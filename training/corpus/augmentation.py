"""Text as people really write it, made from clean text: what makes a model robust, drawn anew in every epoch.

Every change takes a pair of texts and gives a pair, or None where there is nothing to change. Some change the source
alone: the model learns to translate it as if it were clean.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from random import Random

from dragoman.training.text_config import TERM_MARKS, AugmentationConfig, stand_in

Pair = tuple[str, str]
Change = Callable[[Random, Pair], Pair | None]

_WORD = re.compile(r"(?<!\S)([\"'“”„‚‘’(\[¿¡]*)([^\W\d_]+(?:['’-][^\W\d_]+)*)([\"'“”‘’)\].,;:!?…]*)(?!\S)")
"""A word with the punctuation around it. What has digits or signs inside is none: an address, a placeholder, code."""

_FINAL_PUNCTUATION = re.compile(r"(?<=\w)[.!?]$")

_NEIGHBOURS = {
    letter: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for place, letter in enumerate(row)
}
"""The keys beside each key."""

_SPELLINGS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
"""How German is written without its letters."""

_SHORTEST_MISSPELT = 4
"""Fewest letters of a word that gets a typo."""

_WORDS_PER_TYPO = 10

_EMOJI = (
    "😀😃😄😁😅😂🙂😉😊😍😘😜🤔😐🙄😏😴😭😢😡😱🤗👍👎👏🙏💪👋🤞❤💔💕🔥✨🎉🎂🎁☀☕🍕🍺🌹🌷🐶🐱🚗✈🏠📱💻📅📍✅❌⚠❓❗➡⭐"
    "→←↑↓✓•©®™°€£¥§±×÷≈≠≤≥½¼²³µ"
)
_RARE_LETTERS = (
    "āăąćĉčďđēęěğħıįķłńňőřśşšťūůűźżžøåæœþðñçßéèêëíîïóôõúûýαβγδλπσωабвгджилмнопрст漢字日本語中文한국어שלוםمرحبا"
)
_SHARED = re.compile(r"\{[^{}\s]*\}|%\w+|(?:https?://|www\.)\S*\w|[\w.+-]+@[\w.-]+\w|\d+(?:[.,:/-]\d+)*|[^\W\d_]+")


def to_capitals(random: Random, pair: Pair) -> Pair | None:
    """Both sides in capitals."""
    return _if_changed(pair, (_change_words(pair[0], str.upper), _change_words(pair[1], str.upper)))


def to_title_case(random: Random, pair: Pair) -> Pair | None:
    """The Source With Every Word Capitalized."""
    return _if_changed(pair, (_change_words(pair[0], lambda word: word[:1].title() + word[1:]), pair[1]))


def to_lower_case(random: Random, pair: Pair) -> Pair | None:
    """the source without capitals."""
    return _if_changed(pair, (_change_words(pair[0], str.lower), pair[1]))


def without_diacritics(random: Random, pair: Pair) -> Pair | None:
    """The source with plain letters: Maedchen or Madchen for Mädchen, with equal chances."""
    source = pair[0].translate(_SPELLINGS) if random.random() < 0.5 else pair[0]
    decomposed = unicodedata.normalize("NFD", source)
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter)).replace("ß", "ss")
    return _if_changed(pair, (unicodedata.normalize("NFC", plain), pair[1]))


def without_final_punctuation(random: Random, pair: Pair) -> Pair | None:
    """The source without the full stop, question mark or exclamation mark at its end."""
    return _if_changed(pair, (_FINAL_PUNCTUATION.sub("", pair[0]), pair[1]))


def with_typos(random: Random, pair: Pair) -> Pair | None:
    """A letter of a word of the source left out, doubled, exchanged with the next or with one beside it on the
    keyboard; the first letter stays. One word of ten, and at least one."""
    words = [match for match in _WORD.finditer(pair[0]) if len(match[2]) >= _SHORTEST_MISSPELT]
    if not words:
        return None
    source = pair[0]
    for match in sorted(random.sample(words, 1 + len(words) // _WORDS_PER_TYPO), key=lambda word: -word.start()):
        source = source[: match.start(2)] + _misspell(random, match[2]) + source[match.end(2) :]
    return _if_changed(pair, (source, pair[1]))


def _misspell(random: Random, word: str) -> str:
    place = random.randrange(1, len(word) - 1)
    before, letter, after = word[:place], word[place], word[place + 1 :]
    match random.randrange(4):
        case 0:
            return before + after
        case 1:
            return before + letter + letter + after
        case 2:
            return before + after[0] + letter + after[1:]
    return before + random.choice(_NEIGHBOURS.get(letter.lower(), letter)) + after


def with_copied_signs(random: Random, pair: Pair) -> Pair | None:
    """Emoji, signs, or a word of rare letters at the beginning or the end of both sides."""
    if random.random() < 0.7:
        signs = "".join(random.choices(_EMOJI, k=random.choice((1, 1, 1, 2, 3))))
    else:
        start = random.randrange(len(_RARE_LETTERS) - 8)
        signs = "".join(random.choices(_RARE_LETTERS[start : start + 8], k=random.randint(2, 8)))
    source, target = pair
    return (
        (f"{signs} {source}", f"{signs} {target}")
        if random.random() < 0.25
        else (
            f"{source} {signs}",
            f"{target} {signs}",
        )
    )


def with_stand_ins(random: Random, pair: Pair, *, number: int) -> Pair | None:
    """Stand-ins for some spans that both sides have alike, once: figures, addresses, placeholders, and capitalized
    words, which are mostly names. number: the stand-ins of the vocabulary, which are all drawn."""
    source, target = pair
    found = [_shared_spans(text) for text in pair]
    shared = [span for span in found[0] if found[0][span] == found[1].get(span) == 1]
    if not shared or number == 0:
        return None
    chosen = random.sample(shared, random.randint(1, min(len(shared), number, 4)))
    chosen.sort(key=source.index)
    numbers = range(1, number + 1)
    marks = numbers[: len(chosen)] if random.random() < 0.5 else random.sample(numbers, len(chosen))
    replacements = {span: stand_in(mark) for span, mark in zip(chosen, marks, strict=True)}

    def replace(match: re.Match[str]) -> str:
        return replacements.get(match[0], match[0])

    return _SHARED.sub(replace, source), _SHARED.sub(replace, target)


def _shared_spans(text: str) -> dict[str, int]:
    """The spans of a text that may be the same in another language, with how often they occur."""
    counts: dict[str, int] = {}
    for match in _SHARED.finditer(text):
        span = match[0]
        if not span.isalpha() or (span[0].isupper() and len(span) > 1 and match.start() > 0):
            counts[span] = counts.get(span, 0) + 1
    return counts


def inline_term(text: str, start: int, end: int, wanted: str) -> str:
    """A text with the wanted translation behind the span from start to end: "the dog⟪Hund⟫ barks"."""
    return f"{text[:end]}{TERM_MARKS[0]}{wanted}{TERM_MARKS[1]}{text[end:]}"


def with_inlined_terms(random: Random, pair: Pair, *, lexicon: Mapping[str, str]) -> Pair | None:
    """One to three words of the source followed by their translations in this pair, so that the model learns to use
    what it is given (Dinu et al. 2019). lexicon: source words with the target word that translates each."""
    source, target = pair
    present = {match[2] for match in _WORD.finditer(target)}
    found = [match for match in _WORD.finditer(source) if lexicon.get(match[2]) in present]
    if not found:
        return None
    for match in sorted(random.sample(found, random.randint(1, min(3, len(found)))), key=lambda word: -word.start()):
        source = inline_term(source, match.start(2), match.end(2), lexicon[match[2]])
    return source, target


def _change_words(text: str, change: Callable[[str], str]) -> str:
    return _WORD.sub(lambda match: match[1] + change(match[2]) + match[3], text)


def _if_changed(pair: Pair, changed: Pair) -> Pair | None:
    return changed if changed != pair else None


class Augmenter:
    """Changes pairs at random, as configured."""

    def __init__(
        self, config: AugmentationConfig, *, num_stand_ins: int, lexicon: Mapping[str, str] | None = None
    ) -> None:
        """num_stand_ins: of the vocabulary; lexicon: see `with_inlined_terms`."""
        self._config = config
        self._num_stand_ins = num_stand_ins
        self._lexicon = lexicon or {}
        self._manners: tuple[tuple[float, Change], ...] = (
            (config.capitals, to_capitals),
            (config.title_case, to_title_case),
            (config.lower_case, to_lower_case),
            (config.typos, with_typos),
            (config.no_diacritics, without_diacritics),
            (config.no_final_punctuation, without_final_punctuation),
        )

    def augment(self, pairs: Sequence[Pair], random: Random) -> list[Pair]:
        """The pairs, some of them changed, in their order. The draws depend on the pairs and `random` alone."""
        augmented = []
        for pair in pairs:
            if self._config.terms and random.random() < self._config.terms:
                pair = with_inlined_terms(random, pair, lexicon=self._lexicon) or pair
            if self._config.stand_ins and random.random() < self._config.stand_ins:
                pair = with_stand_ins(random, pair, number=self._num_stand_ins) or pair
            if self._config.copied_signs and random.random() < self._config.copied_signs:
                pair = with_copied_signs(random, pair) or pair
            while self._config.concatenated and random.random() < self._config.concatenated:
                more = random.choice(pairs)
                pair = f"{pair[0]} {more[0]}", f"{pair[1]} {more[1]}"
            drawn = random.random()
            for share, change in self._manners:
                drawn -= share
                if drawn < 0:
                    pair = change(random, pair) or pair
                    break
            augmented.append(pair)
        return augmented
