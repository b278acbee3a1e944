"""The Python client of the service, blocking and asynchronous; needs no torch."""

from server.client.asynchronous import AsyncClient
from server.client.blocking import Client
from server.client.connection import DEFAULT_TIMEOUT, Tls
from server.client.errors import ModelChangedError, ServerError
from server.client.requests import Scoring, Search
from server.client.results import LanguageCandidate, LiveTranslation, ModelDetails, TextError
from server.client.stream_state import STREAM_WINDOW
from server.contract.model_messages import ModelDescription, ModelScore, ServerLimits

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
