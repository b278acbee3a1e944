"""The Python client of the service, blocking and asynchronous; needs no torch."""

from dragoman.server.client.asynchronous import AsyncClient
from dragoman.server.client.blocking import Client
from dragoman.server.client.connection import DEFAULT_TIMEOUT, ModelChangedError, ServerError, Tls
from dragoman.server.client.glossaries import GlossaryDescription
from dragoman.server.client.queries import Scoring, Search
from dragoman.server.client.results import (
    LanguageCandidate,
    LiveTranslation,
    ModelDescription,
    ModelScore,
    ServerDescription,
    ServerLimits,
    TextError,
    UsageDescription,
    UsagePeriod,
)
from dragoman.server.client.stream_state import STREAM_WINDOW

__all__ = [
    "DEFAULT_TIMEOUT",
    "STREAM_WINDOW",
    "AsyncClient",
    "Client",
    "GlossaryDescription",
    "LanguageCandidate",
    "LiveTranslation",
    "ModelChangedError",
    "ModelDescription",
    "ModelScore",
    "Scoring",
    "Search",
    "ServerDescription",
    "ServerError",
    "ServerLimits",
    "TextError",
    "Tls",
    "UsageDescription",
    "UsagePeriod",
]
