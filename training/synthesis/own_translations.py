"""What a model itself says of given sentences: text on which it learns to stay as it is (self-distillation)."""

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from dragoman.model.config import Direction
from dragoman.model.decoding.search_options import SearchOptions
from dragoman.model.files import write_atomically
from dragoman.training.synthesis.choice import Chooser, Filters
from dragoman.training.synthesis.job import Synthesis, SynthesisFiles
from dragoman.translation.batch.lines import encode_line, read_lines
from dragoman.translation.batch.source import Task, local_source
from dragoman.translation.translator import Translator


def spread_lines(path: Path, num_lines: int, num_wanted: int) -> list[str]:
    """At most `num_wanted` of a file's lines, evenly spread over it."""
    step = max(1.0, num_lines / max(1, num_wanted))
    places = {int(number * step) for number in range(num_wanted)}
    return [line for place, line in enumerate(islice(read_lines(path), num_lines)) if place in places]


def translate_own(
    bundle: str, outputs: Mapping[Direction, Sequence[Path]], texts: Mapping[Direction, Iterable[str]]
) -> None:
    """Writes a parallel corpus for each direction: source file and target file. What is written already stays, and
    after an interruption another call continues.

    Raises the errors of loading the bundle and of writing.
    """
    missing = {direction: paths for direction, paths in outputs.items() if not all(path.exists() for path in paths)}
    if not missing:
        return
    translator = Translator.load(bundle)
    try:
        for direction, (source, target) in missing.items():
            given = source.with_suffix(".txt")
            if not given.exists():
                write_atomically(given, b"".join(map(encode_line, texts[direction])))
            task = Task(to=direction.target, source_language=direction.source, options=SearchOptions())
            files = SynthesisFiles(source, target, source.with_suffix(".json"))
            synthesis = Synthesis(
                local_source(translator, task, {}), files, Filters(max_ratio=4), Chooser("best"), bundles=[bundle]
            )
            synthesis.run(given)
    finally:
        translator.close()


def measure_translating(bundle: str, direction: Direction, sentences: Sequence[str]) -> float:
    """Seconds that a sentence takes here."""
    translator = Translator.load(bundle)
    try:
        start = time.monotonic()
        for _ in translator.stream(sentences, direction, SearchOptions()):
            pass
        return (time.monotonic() - start) / max(1, len(sentences))
    finally:
        translator.close()
