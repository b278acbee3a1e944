"""What goes wrong between client and server, in the house's own errors."""

from collections.abc import Mapping
from typing import Any

import grpc

from dragoman.model.errors import DragomanError, InvalidInputError, InvalidRequestError, NotFoundError
from dragoman.server.client.connection import Connection


class ServerError(DragomanError):
    """The server could not be reached, did not answer in time, refused the caller, or failed.

    code: the name of gRPC's status, such as "UNAVAILABLE". request_id: of the call in the server's log; empty if there
    was no call.
    """

    def __init__(self, message: str, *, code: str = "UNKNOWN", request_id: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


class ModelChangedError(ServerError):
    """Of a stream's answers, one came from other weights than the rest: the server's model was replaced."""


def explain(error: Any, connection: Connection, request_id: str) -> DragomanError:
    """A gRPC error as one line for a person."""
    code: grpc.StatusCode = error.code()
    details = " ".join((error.details() or "").split())
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidInputError(details)
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFoundError(details)
    address = connection.address
    told = {
        grpc.StatusCode.UNAVAILABLE: f"the server at {address} is unavailable: {details}",
        grpc.StatusCode.DEADLINE_EXCEEDED: _timeout_message(connection),
        grpc.StatusCode.UNIMPLEMENTED: f"what listens at {address} is no Dragoman server, or another version of it",
        grpc.StatusCode.UNAUTHENTICATED: f"the server at {address} does not know the caller: {details}",
    }
    message = told.get(code, f"the server at {address} answered {code.name}: {details}")
    return ServerError(message, code=code.name, request_id=request_id)


def explain_end(error: Any, connection: Connection, request_id: str) -> DragomanError:
    """Why a stream's call has ended before all was answered; None if it says no more than that. Whatever the server
    refuses concerns all texts, because those at fault have errors of their own."""
    if error is None:
        message = f"the server at {connection.address} left texts unanswered"
        return ServerError(message, request_id=request_id)
    explained = explain(error, connection, request_id)
    return InvalidRequestError(str(explained)) if isinstance(explained, InvalidInputError) else explained


def explain_silence(connection: Connection, request_id: str) -> ServerError:
    """When the client's patience has ended."""
    return ServerError(_timeout_message(connection), code="DEADLINE_EXCEEDED", request_id=request_id)


def _timeout_message(connection: Connection) -> str:
    return f"the server at {connection.address} gave no answer within {connection.timeout:g} seconds"


class Weights:
    """Sees to it that one model, and one revision of it, gives all answers of a stream."""

    def __init__(self, revisions: Mapping[str, str] | None) -> None:
        """revisions: those that are due, by model; None takes what the first answer has."""
        self._due = revisions

    def check(self, model: str, revision: str) -> None:
        """Raises ModelChangedError if an answer is of other weights. A server that tells no revision is trusted."""
        if not revision:
            return
        if self._due is not None and self._due.get(model) != revision:
            due = " or ".join(f'"{name}" of revision {known}' for name, known in self._due.items()) or "any other"
            raise ModelChangedError(
                f'the server answers with "{model}" of revision {revision} in place of {due}: it has changed'
            )
        self._due = {model: revision}
