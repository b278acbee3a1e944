"""A server with Google's API, and Google's messages to it without Google's client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.cloud.translate_v3 import types
from google.longrunning import operations_pb2, operations_pb2_grpc  # type: ignore[import-untyped]

from tests.server.fakes import PATIENCE, AligningTranslator, FakeTranslator
from tests.server.running import make_server

PARENT = "projects/p/locations/l"
SERVICE = "google.cloud.translation.v3.TranslationService"

_METHODS: dict[str, tuple[Any, Any]] = {
    "TranslateText": (types.TranslateTextRequest, types.TranslateTextResponse.deserialize),
    "DetectLanguage": (types.DetectLanguageRequest, types.DetectLanguageResponse.deserialize),
    "GetSupportedLanguages": (types.GetSupportedLanguagesRequest, types.SupportedLanguages.deserialize),
    "BatchTranslateText": (types.BatchTranslateTextRequest, operations_pb2.Operation.FromString),
    "CreateGlossary": (types.CreateGlossaryRequest, operations_pb2.Operation.FromString),
    "DeleteGlossary": (types.DeleteGlossaryRequest, operations_pb2.Operation.FromString),
    "GetGlossary": (types.GetGlossaryRequest, types.Glossary.deserialize),
    "ListGlossaries": (types.ListGlossariesRequest, types.ListGlossariesResponse.deserialize),
    "RomanizeText": (types.RomanizeTextRequest, types.RomanizeTextResponse.deserialize),
}


class Google:
    """Calls the server's methods of Google's API by their names, with requests as dictionaries."""

    def __init__(self, channel: grpc.aio.Channel, token: str = "") -> None:
        self.channel = channel
        self.operations: Any = operations_pb2_grpc.OperationsStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def call(self, method: str, **request: Any) -> Any:
        kind, deserialize = _METHODS[method]
        call = self.channel.unary_unary(
            f"/{SERVICE}/{method}", request_serializer=kind.serialize, response_deserializer=deserialize
        )
        return await call(kind(request), timeout=PATIENCE, metadata=self._metadata)

    async def operate(self, method: str, **request: Any) -> Any:
        """One of google.longrunning.Operations' methods."""
        message = getattr(operations_pb2, f"{method}Request")(**request)
        return await getattr(self.operations, method)(message, timeout=PATIENCE, metadata=self._metadata)

    async def translate(self, *contents: str, **request: Any) -> list[str]:
        defaults = {"parent": PARENT, "target_language_code": "de", "mime_type": "text/plain"}
        response = await self.call("TranslateText", contents=contents, **defaults | request)
        return [translation.translated_text for translation in response.translations]

    async def fail(self, method: str, **request: Any) -> tuple[str, str]:
        try:
            answer = await self.call(method, **request)
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details() or ""
        raise AssertionError(f"answered {answer}")

    async def wait(self, operation: Any) -> Any:
        """The operation when it is done."""
        request = operations_pb2.WaitOperationRequest(name=operation.name)
        return await self.operations.WaitOperation(request, timeout=PATIENCE)


@asynccontextmanager
async def connected(
    *translators: FakeTranslator,
    files: Path | None = None,
    drain_seconds: float = PATIENCE,
    tables: dict[str, dict[str, Any]] | None = None,
    token: str = "",
    **limits: int,
) -> AsyncIterator[Google]:
    tables = tables or {}
    server_table = {
        "google": True,
        "google_files": None if files is None else str(files),
        "drain_seconds": float(drain_seconds),
    }
    tables = {**tables, "server": server_table | tables.get("server", {}), "limits": limits}
    async with (
        make_server(*(translators or (AligningTranslator(),)), **tables) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield Google(channel, token)


def serve(
    test: Callable[[Google], Awaitable[None]], *translators: FakeTranslator, files: Path | None = None, **options: Any
) -> None:
    """Runs a test against a server of these translators."""

    async def main() -> None:
        async with connected(*translators, files=files, **options) as google:
            await asyncio.wait_for(test(google), PATIENCE)

    asyncio.run(main())
