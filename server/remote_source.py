"""A server that translates for a command."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from model.decoding.translation_source import Task, TranslationSource

ATTENTION_BATCH_SIZE = 4
"""Texts in a call whose answer holds attention: the server bounds its answers."""


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
