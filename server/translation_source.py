"""Who translates for a command: a bundle in this process, or a server; and what the translations depend on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from model.decoding.request import SearchOptions
from server.batch_job import TranslateStream
from server.job_progress import Parameters, Scalar

if TYPE_CHECKING:
    from model.decoding.translator import Translator

ATTENTION_BATCH_SIZE = 4
"""Texts in a call whose answer holds attention: the server bounds its answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How texts are to be translated.

    with_pieces, with_alignment, with_attention: what hypotheses must come with; they may come with more. `options`
    need not ask for attention.
    """

    to: str
    source_language: str | None
    options: SearchOptions
    split_sentences: bool = True
    with_pieces: bool = False
    with_alignment: bool = False
    with_attention: bool = False

    @property
    def search(self) -> SearchOptions:
        """The options, with attention where it is needed."""
        return replace(self.options, return_attention=self.with_alignment or self.with_attention)

    @property
    def parameters(self) -> dict[str, Scalar]:
        """What the translations depend on, as JSON scalars."""
        search = asdict(self.search) | {"suppressed_pieces": json.dumps(self.options.suppressed_pieces)}
        return search | {"split_sentences": self.split_sentences}


@dataclass(frozen=True, slots=True)
class TranslationSource:
    """parameters: a job that goes on later must find all of these as they were, as must one of several calls."""

    translate_stream: TranslateStream
    parameters: dict[str, Scalar]


def local_source(translator: "Translator", task: Task, loaded_with: Parameters) -> TranslationSource:
    """loaded_with: what of its loading changes translations.

    Raises NotFoundError for languages between which the bundle does not translate.
    """
    direction = translator.find_direction(task.source_language, task.to)
    parameters = task.parameters
    parameters |= {"model": translator.name, "revision": translator.revision, "direction": str(direction)}
    parameters |= loaded_with
    return TranslationSource(
        lambda texts: translator.stream(texts, direction, task.search, split_sentences=task.split_sentences),
        parameters,
    )


@contextmanager
def remote_source(server: str, model: str | None, task: Task) -> Iterator[TranslationSource]:
    """server: HOST:PORT. model: its name there; None lets the server choose, and then all that it has loaded must stay
    the same. Raises ServerError if there is no server."""
    from server.client import STREAM_BATCH_SIZE, Client, Search

    search: Search = {
        **asdict(task.options),  # type: ignore[typeddict-item]
        "source_language": task.source_language,
        "model": model,
        "split_sentences": task.split_sentences,
        "return_pieces": task.with_pieces,
        "return_token_log_probs": task.with_pieces,
        "return_alignment": task.with_alignment,
        "return_attention": task.with_attention,
    }
    with Client(server) as client:
        revisions = {served.name: served.revision for served in client.list_models() if model in (None, served.name)}
        parameters = task.parameters
        parameters |= {"source_language": task.source_language, "model": model, "to": task.to}
        parameters |= {"revisions": json.dumps(revisions, sort_keys=True)}
        batch_size = ATTENTION_BATCH_SIZE if task.with_attention else STREAM_BATCH_SIZE
        yield TranslationSource(
            lambda texts: client.translate_stream(texts, task.to, batch_size=batch_size, revisions=revisions, **search),
            parameters,
        )
