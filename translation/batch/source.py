"""The translator or server that a command uses, and the parameters of its translations."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from dragoman.model.decoding.search_options import SearchOptions

if TYPE_CHECKING:  # a translation of few words does not wait for what batch jobs import
    from dragoman.translation.batch.job import TranslateStream
    from dragoman.translation.batch.progress import Parameters, Scalar
    from dragoman.translation.terms.glossary import Glossary
    from dragoman.translation.translator import Translator


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How to translate texts.

    with_pieces, with_alignment, with_attention: required fields of hypotheses, which may have more. `options` need not
    request attention.
    """

    to: str
    source_language: str | None
    options: SearchOptions
    split_sentences: bool = True
    join_lines: bool = True
    protect: bool = True
    localize_figures: bool = False
    terms: "Glossary | None" = None
    with_pieces: bool = False
    with_alignment: bool = False
    with_attention: bool = False

    @property
    def search(self) -> SearchOptions:
        """The options, with attention where it is needed."""
        return replace(self.options, return_attention=self.with_alignment or self.with_attention)

    @property
    def parameters(self) -> "dict[str, Scalar]":
        """Everything that the translations depend on, as JSON scalars."""
        search = asdict(self.search) | {"suppressed_pieces": json.dumps(self.options.suppressed_pieces)}
        own: dict[str, Scalar] = {
            "split_sentences": self.split_sentences,
            "join_lines": self.join_lines,
            "protect": self.protect,
        }
        if self.localize_figures:
            own["localize_figures"] = True
        if self.terms is not None:
            from dragoman.translation.terms.reading import write_table

            own["terms"] = hashlib.sha256(write_table(self.terms).encode()).hexdigest()
        return search | own


@dataclass(frozen=True, slots=True)
class TranslationSource:
    """find_parameters: gives what must be unchanged when a job is continued, and between the calls of a job.
    source_language: empty if it is not known beforehand."""

    translate_stream: "TranslateStream"
    find_parameters: "Callable[[], dict[str, Scalar]]"
    source_language: str = ""


def local_source(translator: "Translator", task: Task, loaded_with: "Parameters") -> TranslationSource:
    """loaded_with: the options of loading that change translations.

    Raises NotFoundError for languages between which the bundle does not translate.
    """
    direction = translator.find_direction(task.source_language, task.to)

    def find_parameters() -> "dict[str, Scalar]":
        known = {"model": translator.name, "revision": translator.revision, "direction": str(direction)}
        return {**task.parameters, **known, **loaded_with}

    return TranslationSource(
        lambda texts: translator.stream(
            texts,
            direction,
            task.search,
            split_sentences=task.split_sentences,
            join_lines=task.join_lines,
            protect=task.protect,
            localize_figures=task.localize_figures,
            terms=task.terms,
        ),
        find_parameters,
        direction.source,
    )
