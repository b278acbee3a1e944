"""Dragoman's public names. Each is imported on first use: the client needs no torch."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.model.config import Direction
    from dragoman.model.decoding.search_options import SearchOptions
    from dragoman.model.errors import DragomanError, InvalidInputError, NotFoundError
    from dragoman.server.client import (
        AsyncClient,
        Client,
        LiveTranslation,
        ModelChangedError,
        ServerError,
        TextError,
        Tls,
    )
    from dragoman.translation.documents.translating import translate_document
    from dragoman.translation.results import Hypothesis, Translation
    from dragoman.translation.scoring.scored import ScoredTranslation
    from dragoman.translation.scoring.scorer import Scorer
    from dragoman.translation.terms.glossary import Glossary
    from dragoman.translation.terms.reading import read_glossary
    from dragoman.translation.translator import Translator

__all__ = [
    "AsyncClient",
    "Client",
    "Direction",
    "DragomanError",
    "Glossary",
    "Hypothesis",
    "InvalidInputError",
    "LiveTranslation",
    "ModelChangedError",
    "NotFoundError",
    "ScoredTranslation",
    "Scorer",
    "SearchOptions",
    "ServerError",
    "TextError",
    "Tls",
    "Translation",
    "Translator",
    "read_glossary",
    "translate_document",
]

_HOMES = {
    "AsyncClient": "dragoman.server.client",
    "Client": "dragoman.server.client",
    "Direction": "dragoman.model.config",
    "DragomanError": "dragoman.model.errors",
    "Glossary": "dragoman.translation.terms.glossary",
    "Hypothesis": "dragoman.translation.results",
    "InvalidInputError": "dragoman.model.errors",
    "LiveTranslation": "dragoman.server.client",
    "ModelChangedError": "dragoman.server.client",
    "NotFoundError": "dragoman.model.errors",
    "ScoredTranslation": "dragoman.translation.scoring.scored",
    "Scorer": "dragoman.translation.scoring.scorer",
    "SearchOptions": "dragoman.model.decoding.search_options",
    "ServerError": "dragoman.server.client",
    "TextError": "dragoman.server.client",
    "Tls": "dragoman.server.client",
    "Translation": "dragoman.translation.results",
    "Translator": "dragoman.translation.translator",
    "read_glossary": "dragoman.translation.terms.reading",
    "translate_document": "dragoman.translation.documents.translating",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dragoman' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
