"""The beginnings of shards as text files, from which a run learns what it must know before it reads on."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import open_together
from dragoman.training.corpus.streams.records import Shards, Texts, read_records
from dragoman.training.corpus.text_file import LineOutput

MAX_SHARDS = 64
"""Shards that a sample is taken from, evenly spread: each costs an opening."""


def write_sample(shards: Shards, paths: dict[str, Path], num_pairs: int) -> None:
    """Write the first records of the shards, `num_pairs` in all if there are as many, under the paths of their
    languages; it leaves out records that are no pair.

    Raises InvalidInputError that names the shard if it cannot be read, or its first record is no pair.
    """
    languages = [language for language in shards.languages if language in paths]
    places = [shards.languages.index(language) for language in languages]
    with ExitStack() as stack:
        files = stack.enter_context(open_together([paths[language] for language in languages]))
        outputs = [LineOutput(paths[language], file) for language, file in zip(languages, files, strict=True)]
        for texts in _sample(shards, num_pairs):
            for place, output in zip(places, outputs, strict=True):
                output.write(texts[place])


def _sample(shards: Shards, num_pairs: int) -> Iterator[Texts]:
    count = min(MAX_SHARDS, len(shards))
    chosen = [number * len(shards) // count for number in range(count)]
    missing = num_pairs
    for place, shard in enumerate(chosen):
        wanted = -(-missing // (count - place))  # a short shard leaves more to those behind it
        try:
            with closing(read_records(shards, shard, is_strict=True)) as first:
                next(first, None)
            with closing(read_records(shards, shard)) as records:
                for _, texts in islice(records, wanted):
                    missing -= 1
                    if texts is not None:
                        yield texts
        except (OSError, EOFError) as error:
            raise InvalidInputError(f"{shards.paths[shard][0]}: cannot be read: {error}") from error
