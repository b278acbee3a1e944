"""From a text to its sentences, and from a sentence to parts that fit the model; nothing is lost on the way.

A model is trained on single sentences and drops some of a text of several. With the first shipped bundle in float32,
300 texts of two to four consecutive dev sentences score BLEU 20.7 en→de and 23.8 de→en as a whole, with a quarter to a
third of the words missing, and 42.0 and 49.5 sentence by sentence. The lines of dev and devtest with several sentences
(47 and 46) score 32.6 and 39.9 as a whole, 34.7 and 43.4 split; the whole dev set 40.10 and 47.18, and 40.12 and 47.24.
So texts are split by default, also when a corpus is translated line by line.

The borders are found by sentencex (Wikimedia, MIT): a wheel without dependencies, released often, about 300 languages,
4 µs a sentence. Of the borders between joined Tatoeba sentences it finds 99.1 % in English and 99.3 % in German; pysbd
finds 99.6 and 99.4 %, sentence-splitter 99.9 and 99.3, syntok 99.9 and 99.4, blingfire 99.9 and 98.2, but these have
had no release for years and know few languages, and the first three take 10 to 60 times as long. In doubt sentencex
does not split, which is right for translation. Two things are added: a line break always ends a sentence, and the
borders that it sees behind ordinal numbers ("im 19. Jahrhundert") and the number of a list's item are taken back.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence

import sentencex  # type: ignore[import-untyped]

from dragoman.model.errors import InvalidInputError
from dragoman.translation.languages import has_spaces, primary_subtag

MAX_SEGMENTED = 4096
"""Characters given to sentencex at once. Its time grows with the square of the number of quotation marks: 3 s for
100,000, during which no other thread of the process runs."""

_UNUSUAL_SPACE = re.compile(r"[^\S ]|[\ud800-\udfff]")
"""White space other than the space, on which sentencex can fail, and lone surrogates, which it refuses."""

_ENDS_IN_ORDINAL = re.compile(r"(?<!\w)(?:\d{1,3}|[IVXL]+)\.\s*$")
_DOTTED_ORDINALS = frozenset(
    (
        "bs",
        "cs",
        "da",
        "de",
        "et",
        "fi",
        "fo",
        "hr",
        "hu",
        "is",
        "lb",
        "lv",
        "nb",
        "nn",
        "no",
        "pl",
        "sk",
        "sl",
        "sr",
        "tr",
    )
)
"""Languages that write an ordinal as a number with a full stop."""

# A run of spaces before a dash matches only from its beginning; otherwise a long run would take quadratic time.
_CLAUSE_END = re.compile(r"[,;:،؛…)\]}»”]\s+|(?<!\s)\s+(?=[–—-]\s)|[、，；：。！？]")
_SPACE = re.compile(r"\s+")
_ZERO_WIDTH_JOINER = "\u200d"


def split_sentences(text: str, language: str) -> list[str]:
    """The sentences of a text, each with the white space around it; joined they are the text again.

    A line break ends a sentence. A part without letters, such as a list item's number or a row of dots, belongs to the
    neighbouring sentence on its line.

    language: of the text, such as "en" or "pt-BR"; an unknown language gets the rules of English.
    """
    has_dotted_ordinals = primary_subtag(language) in _DOTTED_ORDINALS
    sentences: list[str] = []
    for line in text.splitlines(keepends=True):
        lengths = _find_sentences(line, language)
        if len(lengths) < 2:
            sentences.append(line)
        else:
            sentences += _take_back_borders(line, lengths, has_dotted_ordinals)
    return sentences


def _find_sentences(line: str, language: str) -> list[int]:
    """Lengths of a line's sentences according to sentencex; their sum is the line's length."""
    found: list[int] = []
    begin = 0
    is_open = False  # whether the last sentence found may continue
    while begin < len(line):
        window = line[begin : begin + MAX_SEGMENTED]
        lengths = _find_in_window(window, language)
        has_more = begin + len(window) < len(line)
        if has_more and sum(lengths[:-1]) >= MAX_SEGMENTED // 2:
            del lengths[-1]  # to be segmented again, as a whole
            goes_on = False
        else:
            goes_on = has_more
        begin += sum(lengths)
        if is_open:
            found[-1] += lengths.pop(0)
        found += lengths
        is_open = goes_on
    return found


def _find_in_window(window: str, language: str) -> list[int]:
    try:
        lengths = list(map(len, sentencex.segment(language, _UNUSUAL_SPACE.sub(" ", window))))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # a failed assertion in Rust; the class has no public name
            raise
        return [len(window)]
    # sentencex promises to lose nothing; should it break that promise, the window stays whole.
    return lengths if sum(lengths) == len(window) else [len(window)]


def _take_back_borders(line: str, lengths: Sequence[int], has_dotted_ordinals: bool) -> list[str]:
    """The line's sentences, without the borders after ordinal numbers and around parts without letters."""
    borders: list[int] = []  # beginnings of all sentences but the first
    begin = 0
    is_complete = has_letter = False  # of the sentence that the next part would end
    for length in lengths:
        part = line[begin : begin + length]
        if is_complete and any(map(str.isalnum, part)):
            borders.append(begin)
            has_letter = False
        begin += length
        has_letter = has_letter or any(map(str.isalpha, part))
        is_complete = has_letter and not (has_dotted_ordinals and _ENDS_IN_ORDINAL.search(part))
    return [line[begin:end] for begin, end in zip([0, *borders], [*borders, len(line)], strict=True)]


def split_to_fit(sentence: str, max_pieces: int, count_pieces: Callable[[str], int]) -> list[str]:
    """Parts of a sentence with at most max_pieces each; joined they are the sentence again.

    A part that is too long is cut in two, within its middle half and as near the middle as possible, at the best kind
    of place available: the end of a clause, white space, between two graphemes, between two characters.

    Raises InvalidInputError if a single character has more pieces.
    """
    if count_pieces(sentence) <= max_pieces:
        return [sentence]
    if len(sentence) == 1:
        raise InvalidInputError(f'the character "{sentence}" has more than {max_pieces} pieces, the most that fit')
    cut = _best_cut(sentence)
    return [
        *split_to_fit(sentence[:cut], max_pieces, count_pieces),
        *split_to_fit(sentence[cut:], max_pieces, count_pieces),
    ]


def _best_cut(text: str) -> int:
    """Where to cut a text of two characters or more; neither at its beginning nor at its end."""
    middle, quarter = len(text) // 2, len(text) // 4
    for pattern in (_CLAUSE_END, _SPACE):
        cuts = [match.end() for match in pattern.finditer(text, quarter, len(text) - quarter)]
        cuts = [cut for cut in cuts if 0 < cut < len(text)]
        if cuts:
            return min(cuts, key=lambda cut: abs(cut - middle))
    for distance in range(middle - quarter):
        for cut in (middle - distance, middle + distance):
            if not _is_within_grapheme(text[cut - 1], text[cut]):
                return cut
    return middle


def _is_within_grapheme(before: str, after: str) -> bool:
    """Whether two neighbouring characters are one to the reader, by the most common rules of Unicode's annex 29: marks,
    joined emoji and their skin tones, flags, and vowels and finals of Hangul."""
    return (
        unicodedata.category(after).startswith("M")
        or _ZERO_WIDTH_JOINER in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or ("\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff")
        or "\u1160" <= after <= "\u11ff"
    )


def join_sentences(translations: Sequence[str], sentences: Sequence[str], gaps: Sequence[str], language: str) -> str:
    """Joins the translations of n sentences with the source's spacing.

    sentences: the n sources. gaps: the n + 1 texts before, between and after them. language: of the translations; if
    it has spaces, sentences without a space between them in the source, as in Chinese, get one.
    """
    spaces = translated_gaps(sentences, gaps, language)
    return spaces[0] + "".join(part for pair in zip(translations, spaces[1:], strict=True) for part in pair)


def translated_gaps(sentences: Sequence[str], gaps: Sequence[str], language: str) -> list[str]:
    """The n + 1 texts before, between and after the translations of n sentences; see `join_sentences`."""
    is_spaced = has_spaces(language)
    return [
        " " if is_spaced and 0 < number < len(sentences) and not (gap or sentences[number - 1][-1].isalnum()) else gap
        for number, gap in enumerate(gaps)
    ]
