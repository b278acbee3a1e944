"""Translations of the dev set in the run folder: a few sentences of every validation, and all of the best one."""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from dragoman.model.errors import InvalidInputError
from dragoman.model.files import write_atomically
from dragoman.training.corpus.pairs import ParallelText

SAMPLES_FILE = "samples.jsonl"
"""The same few dev sentences at each validation, a line for a sentence with the fields of `DevTranslation`."""

BEST_FILE = "best.translations.jsonl"
"""All dev sentences of the best validation, likewise."""

NUM_SAMPLES = 6
"""Sentences of each dev set and direction in SAMPLES_FILE."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevTranslation:
    """One dev sentence's translation at a validation.

    update:    the update that was validated.
    averaged:  the updates of the checkpoints whose mean was validated instead; empty if none was.
    set_name:  of its dev set; "" if there is only one, without a name.
    direction: such as "en→de".
    sentence:  its number among the validated sentences of its set and direction, from 1.
    """

    update: int
    averaged: tuple[int, ...] = ()
    set_name: str = ""
    direction: str
    sentence: int
    source: str
    reference: str
    hypothesis: str

    @property
    def label(self) -> str:
        """See `ParallelText.label`."""
        return f"{self.set_name} {self.direction}".lstrip()


class DevTranslations:
    """Writes SAMPLES_FILE and BEST_FILE. Validations repeated after a kill replace their earlier lines."""

    def __init__(self, folder: Path, dev: Sequence[ParallelText], *, seed: int) -> None:
        """dev: as in `Validator.dev`. seed: chooses the samples, the same ones in every process of a run."""
        self._folder = folder
        self._dev = dev
        self._samples = {
            text.label: set(
                random.Random(f"{seed} {text.label}").sample(
                    range(1, len(text.source) + 1), min(NUM_SAMPLES, len(text.source))
                )
            )
            for text in dev
        }

    def forget_after(self, update: int) -> None:
        """Drops the samples of updates after the one from which a run continues.

        Raises DragomanError if the file cannot be written, and InvalidInputError if it cannot be read.
        """
        path = self._folder / SAMPLES_FILE
        kept = [line for line in read_dev_translations(path) if line.update <= update]
        if path.exists():
            write_atomically(path, _to_json_lines(kept))

    def write(
        self, update: int, hypotheses: Mapping[str, Sequence[str]], *, averaged: Sequence[int] = (), is_best: bool
    ) -> None:
        """hypotheses: by the texts' labels, for all of dev. averaged: see `DevTranslation`.

        Raises DragomanError as `forget_after` does; older lines then stay.
        """
        lines = [
            DevTranslation(
                update=update,
                averaged=tuple(averaged),
                set_name=text.set_name,
                direction=str(text.direction),
                sentence=number,
                source=source,
                reference=reference,
                hypothesis=hypothesis,
            )
            for text in self._dev
            for number, (source, reference, hypothesis) in enumerate(
                zip(text.source, text.target, hypotheses[text.label], strict=True), 1
            )
        ]
        if is_best:
            write_atomically(self._folder / BEST_FILE, _to_json_lines(lines))
        path = self._folder / SAMPLES_FILE
        here = (update, bool(averaged))
        earlier = [line for line in read_dev_translations(path) if (line.update, bool(line.averaged)) < here]
        samples = [line for line in lines if line.sentence in self._samples[line.label]]
        write_atomically(path, _to_json_lines([*earlier, *samples]))


def read_dev_translations(path: Path) -> list[DevTranslation]:
    """The translations in a file, in order; empty for a missing file. Raises InvalidInputError if it cannot be read."""
    return read_json_lines(path, _from_json)


def read_json_lines(path: Path, parse: Callable[[dict[str, Any]], Value]) -> list[Value]:
    """The parsed lines of a file; empty for a missing file. Skips lines that are not an object, such as one cut short
    by a crash, and those for which `parse` raises KeyError, TypeError or ValueError. Raises InvalidInputError if the
    file cannot be read."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be read: {error.strerror}") from error
    values = []
    for line in lines:
        try:
            found = json.loads(line)
            if isinstance(found, dict):
                values.append(parse(found))
        except (KeyError, TypeError, ValueError):
            continue
    return values


def _from_json(values: dict[str, Any]) -> DevTranslation:
    translation = DevTranslation(**values)
    texts = (translation.label, translation.source, translation.reference, translation.hypothesis)
    if not isinstance(translation.update, int) or not all(isinstance(text, str) for text in texts):
        raise TypeError("update is a number, the others are texts")
    return replace(translation, averaged=tuple(translation.averaged))


def _to_json_lines(translations: Iterable[DevTranslation]) -> str:
    """One line each, in ASCII, so that neither an exotic line separator nor half a character can spoil a line."""
    return "".join(f"{json.dumps(asdict(translation))}\n" for translation in translations)
