"""The dev set of a run with the best bundle's translations, as the run kept them or made now; their scores with
confidence intervals, scores by length, and the sentences' lengths."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from dragoman.model.bundle import BundleConfig, read_vocabulary
from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.errors import DragomanError
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.display import track_on_terminal
from dragoman.training.evaluation.metrics import (
    DEFAULT_TOKENIZER,
    NUM_BOOTSTRAP_SAMPLES,
    bleu_score,
    score_translations,
)
from dragoman.training.evaluation.validation import first_usable
from dragoman.training.report.run_record import RunRecord
from dragoman.translation.batch.lines import read_lines
from dragoman.translation.translator import Translator

DEFAULT_SENTENCES = 500
"""Sentences of each direction, if the run's configuration does not say."""


LENGTH_LIMITS = (10, 20, 30, 40)
"""Source words at which a next group of sentences begins."""

BOOTSTRAP = f"sacreBLEU's bootstrap with {NUM_BOOTSTRAP_SAMPLES:,} resamples"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedText:
    """Dev sentences of one direction, with their references and the best bundle's translations. set_name: of their
    dev set, "" if it has none."""

    set_name: str = ""
    direction: Direction
    source: tuple[str, ...]
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]

    @property
    def label(self) -> str:
        """See `ParallelText.label`."""
        return f"{self.set_name} {self.direction}".lstrip()


@dataclass(frozen=True, slots=True)
class TranslatedDevSet:
    """origin: a sentence for the reader on the origin of the translations, or on why there are none."""

    texts: tuple[TranslatedText, ...]
    origin: str


def find_translations(record: RunRecord, translator: Translator | None) -> TranslatedDevSet:
    """The translations kept from the run's best validation; if they are missing, the bundle translates the dev set.

    translator: of the run's best bundle, None if there is none.
    """
    if record.best_translations:
        first = record.best_translations[0]
        averaged = f", of the mean of {len(first.averaged)} checkpoints" if first.averaged else ""
        return TranslatedDevSet(tuple(_kept_texts(record)), f"As validated at update {first.update:,}{averaged}.")
    if translator is None:
        return TranslatedDevSet((), "There is no best bundle yet, and so nothing to score.")
    try:
        dev = _read_dev_set(record, translator.info)
        texts = tuple(_translate(record, translator, text) for text in dev)
    except DragomanError as error:
        return TranslatedDevSet((), f"The dev set could not be translated: {error}")
    return TranslatedDevSet(texts, "Translated with the best bundle for this report: the run kept no translations.")


def _kept_texts(record: RunRecord) -> Iterator[TranslatedText]:
    for label in dict.fromkeys(line.label for line in record.best_translations):
        lines = [line for line in record.best_translations if line.label == label]
        yield TranslatedText(
            set_name=lines[0].set_name,
            direction=Direction.parse(lines[0].direction),
            source=tuple(line.source for line in lines),
            reference=tuple(line.reference for line in lines),
            hypothesis=tuple(line.hypothesis for line in lines),
        )


def _read_dev_set(record: RunRecord, info: BundleConfig) -> list[ParallelText]:
    """The sentences that the run validates. Raises NotFoundError or InvalidInputError for missing or invalid files."""
    sets = record.dev_files
    if record.option("data", "grammar") is not None:
        sets = {"": {code: str(record.folder / "corpus" / f"dev.{code}") for code in ("en", "de")}}
    limit = int(record.option("validation", "max_sentences") or DEFAULT_SENTENCES)
    vocabulary = read_vocabulary(record.bundle_folder, info)
    texts = []
    for (name, files), direction in product(sets.items(), info.directions):
        if not {direction.source, direction.target} <= files.keys():
            continue
        source, target = (list(read_lines(Path(files[code]))) for code in (direction.source, direction.target))
        length = min(len(source), len(target))
        text = ParallelText(direction, source[:length], target[:length], name)
        longest = info.architecture.source_limit
        source, target = first_usable(text, vocabulary, max_source_length=longest, max_sentences=limit)
        texts.append(ParallelText(direction, source, target, name))
    return [text for text in texts if text.source]


def _translate(record: RunRecord, translator: Translator, text: ParallelText) -> TranslatedText:
    stream = translator.stream(text.source, text.direction, search_options(record))
    translations = track_on_terminal(stream, f"dev set {text.label}", len(text.source))
    return TranslatedText(
        set_name=text.set_name,
        direction=text.direction,
        source=tuple(text.source),
        reference=tuple(text.target),
        hypothesis=tuple(translation.text for translation in translations),
    )


def search_options(record: RunRecord, *, return_attention: bool = False) -> SearchOptions:
    """The options of the run's validation."""
    beam_size, length_penalty = (record.option("validation", key) for key in ("beam_size", "length_penalty"))
    plain = SearchOptions()
    return SearchOptions(
        beam_size=plain.beam_size if beam_size is None else int(beam_size),
        length_penalty=plain.length_penalty if length_penalty is None else float(length_penalty),
        return_attention=return_attention,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One metric of one direction of a dev set. low, high: the 95 % confidence interval."""

    direction: str
    num_sentences: int
    metric: str
    score: float
    low: float
    high: float
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthRow:
    """BLEU of the sentences whose source has a like number of words."""

    direction: str
    words: str
    num_sentences: int
    bleu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """What the dev sentences of a direction are like. Lengths are in words divided by spaces: mean, shortest, longest.

    ratio:      words of all hypotheses to those of all references.
    num_exact:  hypotheses that are their reference.
    num_copied: hypotheses that are their source.
    """

    direction: str
    num_sentences: int
    source: tuple[float, int, int]
    reference: tuple[float, int, int]
    hypothesis: tuple[float, int, int]
    ratio: float
    num_exact: int
    num_copied: int


def score_rows(text: TranslatedText, tokenize: str = DEFAULT_TOKENIZER) -> list[ScoreRow]:
    """BLEU, chrF and TER with intervals of sacreBLEU's bootstrap (Koehn 2004)."""
    # Compared with itself, a system gets the interval that sacreBLEU's paired bootstrap has for it.
    report = score_translations(text.hypothesis, text.reference, baseline=text.hypothesis, tokenize=tokenize)
    rows = []
    for name, score in (("BLEU", report.bleu), ("chrF", report.chrf), ("TER", report.ter)):
        assert score.comparison is not None
        low, high = score.comparison.confidence_interval
        rows.append(
            ScoreRow(
                direction=text.label,
                num_sentences=report.num_sentences,
                metric=name,
                score=score.score,
                low=max(0.0, low),
                high=high if name == "TER" else min(100.0, high),
                signature=score.signature,
            )
        )
    return rows


def length_rows(text: TranslatedText, tokenize: str = DEFAULT_TOKENIZER) -> list[LengthRow]:
    """Only groups that have a sentence."""
    groups: dict[int, list[int]] = {}
    for number, source in enumerate(text.source):
        words = len(source.split())
        groups.setdefault(sum(words >= limit for limit in LENGTH_LIMITS), []).append(number)
    return [
        LengthRow(
            direction=text.label,
            words=_name_group(group),
            num_sentences=len(numbers),
            bleu=bleu_score(
                [text.hypothesis[number] for number in numbers],
                [text.reference[number] for number in numbers],
                tokenize=tokenize,
            ),
        )
        for group, numbers in sorted(groups.items())
    ]


def _name_group(group: int) -> str:
    if group == len(LENGTH_LIMITS):
        return f"{LENGTH_LIMITS[-1]} or more"
    first = LENGTH_LIMITS[group - 1] if group else 1
    return f"{first} to {LENGTH_LIMITS[group] - 1}"


def text_row(text: TranslatedText) -> TextRow:
    num_reference_words = _num_words(text.reference)
    return TextRow(
        direction=text.label,
        num_sentences=len(text.source),
        source=_lengths(text.source),
        reference=_lengths(text.reference),
        hypothesis=_lengths(text.hypothesis),
        ratio=_num_words(text.hypothesis) / max(1, num_reference_words),
        num_exact=sum(a == b for a, b in zip(text.hypothesis, text.reference, strict=True)),
        num_copied=sum(a == b for a, b in zip(text.hypothesis, text.source, strict=True)),
    )


def _num_words(sentences: Sequence[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


def _lengths(sentences: Sequence[str]) -> tuple[float, int, int]:
    lengths = [len(sentence.split()) for sentence in sentences]
    return statistics.fmean(lengths), min(lengths), max(lengths)
