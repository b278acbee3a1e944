"""Where a model errs: its dev sentences by what is in them, so that a team knows which data to add."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from dragoman.model.errors import DragomanError
from dragoman.training.evaluation.metrics import DEFAULT_TOKENIZER, bleu_score, chrf_score
from dragoman.training.report.dev_set import TranslatedText
from dragoman.training.report.run_record import RunRecord
from dragoman.translation.batch.lines import read_lines
from dragoman.translation.checks.figures import differing_figures
from dragoman.translation.checks.sentence import check_sentence
from dragoman.translation.languages import has_spaces

KNOWN_WELL = 5
"""Occurrences in the training text from which on a word is not rare."""

MAX_LINES = 1_000_000
"""Lines of the training text that are read for its words: some ten seconds."""

MAX_WORDS, NUM_WORST = 30, 5
"""Words that the training text lacks, and worst translations, that are shown for a direction."""

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRow:
    """The sentences of a direction that have something in common.

    num_kept, num_due: of the things that the kind is about, such as figures, those that the translations have, and
    those that they should; 0 of 0 where nothing can be counted.
    """

    kind: str
    num_sentences: int
    bleu: float
    chrf: float
    num_kept: int = 0
    num_due: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BadTranslation:
    """doubts: what the checks of translations say of it."""

    source: str
    reference: str
    hypothesis: str
    chrf: float
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """The errors of one direction.

    rows:    all sentences first, then kinds that have a sentence.
    doubts:  number of translations by what the checks say of them.
    unseen:  the sources' words that the training text lacks, most frequent first, with their numbers.
    worst:   translations with the lowest chrF, worst first.
    remark:  on words, if they could not be counted or not all training text was read.
    """

    label: str
    source_language: str
    target_language: str
    rows: tuple[KindRow, ...]
    doubts: tuple[tuple[str, int], ...]
    unseen: tuple[tuple[str, int], ...]
    worst: tuple[BadTranslation, ...]
    remark: str


def find_errors(record: RunRecord, texts: Sequence[TranslatedText]) -> list[Errors]:
    """The errors of each direction. Reads the training text, if it is still there."""
    by_language: dict[str, tuple[Mapping[str, int] | None, str]] = {}
    for language in {text.direction.source for text in texts}:
        wanted = {
            word for text in texts if text.direction.source == language for line in text.source for word in words(line)
        }
        by_language[language] = _count_words(_training_files(record, language), wanted, language)
    return [describe_errors(text, *by_language[text.direction.source], record.tokenizer) for text in texts]


def describe_errors(
    text: TranslatedText, occurrences: Mapping[str, int] | None, remark: str = "", tokenize: str = DEFAULT_TOKENIZER
) -> Errors:
    """occurrences: of words in the training text's source side; None if they are not known."""
    everything = range(len(text.source))
    groups: list[tuple[str, Sequence[int], tuple[int, int]]] = [("all", everything, (0, 0))]
    if occurrences is not None:
        counts = [[occurrences.get(word, 0) for word in words(line)] for line in text.source]
        rarest = [min(known, default=KNOWN_WELL) for known in counts]
        well = [number for number in everything if rarest[number] >= KNOWN_WELL]
        rare = [number for number in everything if 0 < rarest[number] < KNOWN_WELL]
        groups.append((f"with common words alone ({KNOWN_WELL} times or more in training)", well, (0, 0)))
        groups.append((f"with a rare word (1 to {KNOWN_WELL - 1} times)", rare, (0, 0)))
        groups.append(("with a word never seen in training", [n for n in everything if not rarest[n]], (0, 0)))
    groups += [("with a name", *_find_names(text)), ("with a figure", *_find_figures(text))]
    doubts = [_doubts(text, number) for number in everything]
    scores = [chrf_score([text.hypothesis[number]], [text.reference[number]]) for number in everything]
    return Errors(
        label=str(text.direction),
        source_language=text.direction.source,
        target_language=text.direction.target,
        rows=tuple(_row(text, tokenize, *group) for group in groups if group[1]),
        doubts=tuple(Counter(doubt for found in doubts for doubt in found).most_common()),
        unseen=tuple(_unseen(text, occurrences)),
        worst=tuple(
            BadTranslation(
                source=text.source[number],
                reference=text.reference[number],
                hypothesis=text.hypothesis[number],
                chrf=scores[number],
                doubts=doubts[number],
            )
            for number in sorted(everything, key=lambda number: scores[number])[:NUM_WORST]
        ),
        remark=remark,
    )


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def _row(text: TranslatedText, tokenize: str, kind: str, numbers: Sequence[int], kept: tuple[int, int]) -> KindRow:
    hypotheses = [text.hypothesis[number] for number in numbers]
    references = [text.reference[number] for number in numbers]
    return KindRow(
        kind=kind,
        num_sentences=len(numbers),
        bleu=bleu_score(hypotheses, references, tokenize=tokenize),
        chrf=chrf_score(hypotheses, references),
        num_kept=kept[0],
        num_due=kept[1],
    )


def _find_names(text: TranslatedText) -> tuple[list[int], tuple[int, int]]:
    """Sentences with names, and the numbers of names kept and due. A name is a capitalized word within the source that
    the reference has, too: in German every noun has a capital."""
    numbers, num_kept, num_due = [], 0, 0
    for number, (source, reference) in enumerate(zip(text.source, text.reference, strict=True)):
        there = set(_WORD.findall(reference))
        names = {word for word in _WORD.findall(source) if len(word) > 1 and word[0].isupper() and word in there}
        if names:
            numbers.append(number)
            num_due += len(names)
            num_kept += len(names & set(_WORD.findall(text.hypothesis[number])))
    return numbers, (num_kept, num_due)


def _find_figures(text: TranslatedText) -> tuple[list[int], tuple[int, int]]:
    """Sentences with figures, and how many of their translations have them all."""
    numbers = [number for number, source in enumerate(text.source) if _DIGIT.search(source)]
    languages = text.direction.source, text.direction.target
    whole = [
        number
        for number in numbers
        if not any(differing_figures(text.source[number], text.hypothesis[number], *languages))
    ]
    return numbers, (len(whole), len(numbers))


def _doubts(text: TranslatedText, number: int) -> tuple[str, ...]:
    languages = text.direction.source, text.direction.target
    found = check_sentence(text.source[number], text.hypothesis[number], *languages)
    return tuple(dict.fromkeys(warning.kind.replace("_", " ") for warning in found))


def _unseen(text: TranslatedText, occurrences: Mapping[str, int] | None) -> list[tuple[str, int]]:
    if occurrences is None:
        return []
    # As they are written where they come first: a name keeps its capital.
    written: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for word in (word for line in text.source for word in _WORD.findall(line)):
        if not occurrences.get(word.lower()):
            numbers[written.setdefault(word.lower(), word)] += 1
    return numbers.most_common(MAX_WORDS)


def _training_files(record: RunRecord, language: str) -> list[Path]:
    corpora: Any = record.option("data", "train")
    found = [corpus.get(language) for corpus in corpora if isinstance(corpus, dict)] if corpora else []
    return [Path(path) for path in found if isinstance(path, str)]


def _count_words(files: Sequence[Path], wanted: set[str], language: str) -> tuple[Mapping[str, int] | None, str]:
    """The occurrences of the wanted words in the files, and a remark; None if they cannot be counted."""
    if not has_spaces(language):
        return None, ""
    counts: Counter[str] = Counter()
    lines = _read_all(files)
    try:
        for line in islice(lines, MAX_LINES):
            counts.update(word for word in words(line) if word in wanted)
        is_cut = next(lines, None) is not None
    except DragomanError as error:
        return None, f"Words are not counted, as the training text cannot be read: {error}."
    if not files:
        return None, ""
    return counts, f"Words are those of the first {MAX_LINES:,} training sentences." if is_cut else ""


def _read_all(files: Sequence[Path]) -> Iterator[str]:
    for path in files:
        yield from read_lines(path)
