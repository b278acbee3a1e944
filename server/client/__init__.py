"""The Python client of the service, blocking and asynchronous; needs no torch."""

from dragoman.server.client.asynchronous import AsyncClient
from dragoman.server.client.blocking import Client
from dragoman.server.client.connection import DEFAULT_TIMEOUT, Tls
from dragoman.server.client.errors import ModelChangedError, ServerError
from dragoman.server.client.requests import Scoring, Search
from dragoman.server.client.results import LanguageCandidate, LiveTranslation, ModelDetails, TextError
from dragoman.server.client.stream_state import STREAM_WINDOW
from dragoman.server.grpc.v1.model_messages import ModelDescription, ModelScore, ServerLimits

__all__ = [
    "DEFAULT_TIMEOUT",
    "STREAM_WINDOW",
    "AsyncClient",
    "Client",
    "LanguageCandidate",
    "LiveTranslation",
    "ModelChangedError",
    "ModelDescription",
    "ModelDetails",
    "ModelScore",
    "Scoring",
    "Search",
    "ServerError",
    "ServerLimits",
    "TextError",
    "Tls",
]
