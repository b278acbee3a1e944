"""Puts google.cloud.translation.v3 on a server's port. Google's packages are imported only if this is asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from dragoman.model.errors import DragomanError
from dragoman.server.translating.translating import Translating

if TYPE_CHECKING:
    from dragoman.server.grpc.google.operations import Operations


class GoogleFacade:
    """What goes on between calls, and is to be ended before the models are closed."""

    def __init__(self, service_names: tuple[str, ...], operations: "Operations") -> None:
        self.service_names = service_names
        """Full names, for reflection."""
        self._operations = operations

    def drain(self) -> None:
        """Cancels the operations that run; what they have finished stays."""
        self._operations.cancel_all()

    async def close(self) -> None:
        """Waits until they have ended, too."""
        await self._operations.close()


def add_to_server(
    server: grpc.aio.Server, translating: Translating, files: Path | None, operations_folder: Path | None = None
) -> GoogleFacade:
    """files: the folder that batch translation may read and write; without one it is refused. operations_folder: see
    `Operations`.

    Raises DragomanError that names the extra if Google's packages are missing, NotFoundError if the folder is.
    """
    try:
        import google.cloud.translate_v3  # noqa: F401
    except ImportError as error:
        raise DragomanError(
            "google needs the package google-cloud-translate: pip install 'dragoman[google]'"
        ) from error
    from dragoman.server.grpc.google.batch import BatchTranslator
    from dragoman.server.grpc.google.handlers import make_handlers
    from dragoman.server.grpc.google.operations import Operations
    from dragoman.server.grpc.google.service import GoogleService

    operations = Operations(operations_folder)
    batches = None if files is None else BatchTranslator(translating, files)
    handlers = make_handlers(GoogleService(translating, batches, operations), operations)
    server.add_generic_rpc_handlers(list(handlers.values()))
    return GoogleFacade(tuple(handlers), operations)
