"""Contradictions between a run's corpora and what its configuration says of them, found before hours are spent."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

from dragoman.model.errors import InvalidInputError
from dragoman.training.corpus.alignment import LineLengths
from dragoman.training.corpus.cache import ParallelFiles
from dragoman.training.corpus.pairs import ParallelText
from dragoman.training.run.prepare import RunText
from dragoman.translation.batch.lines import LineInput
from dragoman.translation.languages import LanguageIdentifier, means_language

SAMPLE_LINES = 500
"""Lines of a file by which its language is judged."""

MAX_SEARCHED = 5_000_000
"""Most pairs of a corpus that are searched for dev pairs."""

_MIN_LETTERS = 1000
"""Of a sample, for its language to be judged."""

_MANY_COPIES = 0.5
_MANY_BLANK = 0.1
_KNOWN_SHARE = 0.01
"""Of a dev set: fewer of its pairs in the training set are normal among short sentences."""


def find_contradictions(text: RunText) -> list[str]:
    """A sentence, for people, about each dev set that is in the training set or has blank sides, each file in another
    language than its name, and each corpus that is listed twice, whose sides are largely equal, whose lines do not
    belong together, or of which many sides are blank.

    Raises InvalidInputError for a corpus whose two sides are one text.
    """
    train = text.readable
    found = _find_repeated(train)
    for part in _once(train):
        found += _judge_sides(part)
        found += _judge_lines(part)
    pairs = {(dev.set_name, frozenset((dev.direction.source, dev.direction.target))): dev for dev in text.dev}
    for dev in pairs.values():
        found += _find_blank(dev)
        found += _find_dev_in_train(dev, [part for part in train if part.direction == dev.direction])
    files = {path: language for part in train for path, language in _languages(part)}
    found += filter(None, (_judge_language(str(path), _sample(path), language) for path, language in files.items()))
    sides = {
        (dev.set_name, language): sentences
        for dev in text.dev
        for language, sentences in ((dev.direction.source, dev.source), (dev.direction.target, dev.target))
    }
    for (name, code), sentences in sides.items():
        key = ".".join(filter(None, ("data.dev", name, code)))
        found += filter(None, [_judge_language(key, sentences[:SAMPLE_LINES], code)])
    return list(dict.fromkeys(found))


def _once(parts: Sequence[ParallelFiles]) -> list[ParallelFiles]:
    """Each corpus in one direction only."""
    return list({frozenset((part.source.path, part.target.path)): part for part in parts}.values())


def _languages(part: ParallelFiles) -> tuple[tuple[Path, str], tuple[Path, str]]:
    return (part.source.path, part.direction.source), (part.target.path, part.direction.target)


def _judge_sides(part: ParallelFiles) -> list[str]:
    if part.direction.source == part.direction.target:  # of a language model, which has one side
        return []
    source, target = part.source, part.target
    if source.checksum == target.checksum:
        raise InvalidInputError(f"{source.path} and {target.path} are the same text: the corpus is its own copy")
    pairs = list(zip(_sample(source.path), _sample(target.path), strict=False))
    copies = sum(one.strip() == other.strip() for one, other in pairs)
    if copies <= _MANY_COPIES * len(pairs):
        return []
    return [
        f"{copies} of the first {len(pairs)} lines of {source.path} and {target.path} are equal: is {target.path} "
        "translated?"
    ]


def _find_repeated(parts: Sequence[ParallelFiles]) -> list[str]:
    """Corpora with the same content, by their checksums."""
    contents = Counter((part.direction, part.source.checksum, part.target.checksum) for part in parts)
    again = [part for part in parts if contents[part.direction, part.source.checksum, part.target.checksum] > 1]
    names = list(dict.fromkeys(str(part.source.path) for part in again))
    if not names:
        return []
    return [f"data.train has the same corpus more than once ({', '.join(names)}): repeat = 2 says so"]


def _judge_lines(part: ParallelFiles) -> list[str]:
    source, target = part.source.path, part.target.path
    lengths = LineLengths()
    for one, other in islice(_pairs(part), MAX_SEARCHED):
        lengths.add(len(one.strip()), len(other.strip()))
    found = []
    if (misalignment := lengths.find_misalignment()) is not None:
        found.append(misalignment.describe(str(source), str(target)))
    if lengths.num_blank > _MANY_BLANK * len(lengths):
        found.append(
            f"{lengths.num_blank:,} of {len(lengths):,} pairs of {source} and {target} have a blank side and are left "
            "out: are they translated?"
        )
    return found


def _pairs(part: ParallelFiles) -> Iterator[tuple[bytes, bytes]]:
    with (
        LineInput(part.source.path.absolute(), max_line_bytes=None) as sources,
        LineInput(part.target.path.absolute(), max_line_bytes=None) as targets,
    ):
        yield from zip(sources, targets, strict=False)


def _find_blank(dev: ParallelText) -> list[str]:
    blank = sum(not (one.strip() and other.strip()) for one, other in zip(dev.source, dev.target, strict=True))
    if not blank:
        return []
    return [
        f"{blank:,} of the dev set's {len(dev.source):,} pairs have a blank side: dev BLEU is lower than it should be"
    ]


def _find_dev_in_train(dev: ParallelText, parts: Sequence[ParallelFiles]) -> list[str]:
    wanted = {
        (source.strip().encode(), target.strip().encode())
        for source, target in zip(dev.source, dev.target, strict=True)
    }
    sources = {source for source, _ in wanted}
    warnings = []
    for part in parts:
        known = set()
        for source, target in islice(_pairs(part), MAX_SEARCHED):
            if (stripped := source.strip()) in sources and (pair := (stripped, target.strip())) in wanted:
                known.add(pair)
        if len(known) >= _KNOWN_SHARE * len(wanted) > 0:
            warnings.append(
                f"{len(known):,} of the {f'dev set {dev.set_name}'.rstrip()}'s {len(wanted):,} pairs are in "
                f"{part.source.path}, too: dev BLEU is higher than that of new text, and says less about when to stop"
            )
    return warnings


def _judge_language(name: str, lines: Sequence[str], language: str) -> str | None:
    """A sentence if a text is in another language than it should be; None if not, or if that cannot be judged."""
    if sum(sum(map(str.isalpha, line)) for line in lines) < _MIN_LETTERS:
        return None
    identifier = _identifier()
    if not identifier.knows(language):
        return None
    step = max(1, len(lines) // 10)
    chunks = [" ".join(lines[start : start + step]) for start in range(0, len(lines), step)]
    (likeliest, count), *_ = Counter(identifier.identify(chunk)[0] for chunk in chunks).most_common(1)
    if means_language(likeliest, language) or count <= 0.8 * len(chunks):
        return None
    return f"{name} looks as if it was {likeliest}, not {language}: are two languages swapped?"


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier()


def _sample(path: Path) -> list[str]:
    with LineInput(path.absolute(), max_line_bytes=None) as lines:
        return [line.decode(errors="replace") for line in islice(lines, SAMPLE_LINES)]
