"""A server as the source of a command's translations."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from dragoman.model.config import Direction
from dragoman.translation.batch.source import Task, TranslationSource

if TYPE_CHECKING:
    from dragoman.server.client import Client

TOKEN_VARIABLE, CA_VARIABLE = "DRAGOMAN_TOKEN", "DRAGOMAN_TLS_CA"
"""Environment variables: the bearer token; the file of authorities that verify the server's certificate, or "system"
for gRPC's own."""


def remote_directions(server: str, model: str | None) -> list[Direction]:
    """The directions of a server's model, or of all its models. Raises ServerError if it cannot be reached."""
    with _connect(server) as client:
        served = [one for one in client.list_models() if model in (None, one.name)]
    return list(dict.fromkeys(direction for one in served for direction in one.directions))


def _connect(server: str) -> "Client":
    """Connect with the token and authorities from the environment."""
    from dragoman.server.client import Client, Tls

    authority = os.environ.get(CA_VARIABLE)
    tls = Tls(root_certificates=None if authority == "system" else authority) if authority else None
    return Client(server, token=os.environ.get(TOKEN_VARIABLE) or None, tls=tls)


@contextmanager
def remote_source(server: str, model: str | None, task: Task) -> Iterator[TranslationSource]:
    """Connect to a server, with the token and authorities from the environment.

    server: HOST:PORT, or another address that gRPC resolves. model: name on the server; None lets the server choose,
    and then none of its models may change. Raises ServerError if the server cannot be reached.
    """
    from dragoman.server.client import Search

    search: Search = {
        **asdict(task.options),  # type: ignore[typeddict-item]
        "source_language": task.source_language,
        "model": model,
        "split_sentences": task.split_sentences,
        "join_lines": task.join_lines,
        "protect": task.protect,
        "localize_figures": task.localize_figures,
        "terms": task.terms,
        "return_pieces": task.with_pieces,
        "return_token_log_probs": task.with_pieces,
        "return_alignment": task.with_alignment,
        "return_attention": task.with_attention,
    }
    with _connect(server) as client:
        revisions = {served.name: served.revision for served in client.list_models() if model in (None, served.name)}
        parameters = task.parameters
        parameters |= {"source_language": task.source_language, "model": model, "to": task.to}
        parameters |= {"revisions": json.dumps(revisions, sort_keys=True)}
        yield TranslationSource(
            lambda texts: client.translate_stream(texts, task.to, revisions=revisions, **search),
            lambda: parameters,
            task.source_language or "",
        )
