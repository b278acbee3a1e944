"""Adds google.cloud.translation.v3 to a server. Google's packages are imported only with this module."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from google.cloud.translate_v3 import types
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf import descriptor_pb2, descriptor_pool, empty_pb2

from dragoman.model.errors import InvalidInputError
from dragoman.server.access.quotas import QuotaError
from dragoman.server.grpc.call_metadata import current_call
from dragoman.server.grpc.google.api import UnsupportedError, as_google_has_it
from dragoman.server.grpc.google.batch import BatchTranslator
from dragoman.server.grpc.google.glossaries import GlossaryMethods
from dragoman.server.grpc.google.operations import Operations
from dragoman.server.grpc.google.service import GoogleService
from dragoman.server.grpc.statuses import Context, abort
from dragoman.server.translating.translating import Translating

TRANSLATION = "google.cloud.translation.v3.TranslationService"
OPERATIONS = "google.longrunning.Operations"

Method: TypeAlias = Callable[[Any], Awaitable[Any]]
"""From request to response."""


class GoogleFacade:
    """The operations in the background, which must end before the models are closed."""

    def __init__(self, service_names: tuple[str, ...], operations: Operations) -> None:
        self.service_names = service_names
        """Full names, for reflection."""
        self._operations = operations

    def drain(self) -> None:
        """Cancel running operations; their finished files stay."""
        self._operations.cancel_all()

    async def close(self) -> None:
        """Cancel running operations and wait until they have ended."""
        await self._operations.close()


def add_to_server(
    server: grpc.aio.Server, translating: Translating, files: Path | None, operations_folder: Path | None = None
) -> GoogleFacade:
    """files: the folder that batch translation may read and write; without one it is refused. operations_folder: see
    `Operations`. Raises NotFoundError if `files` is no folder."""
    operations = Operations(operations_folder)
    batches = None if files is None else BatchTranslator(translating, files)
    folder = None if batches is None else batches.folder
    glossaries = GlossaryMethods(translating.glossaries, folder, operations)
    handlers = _make_handlers(GoogleService(translating, batches, operations), glossaries, operations)
    server.add_generic_rpc_handlers(list(handlers.values()))
    return GoogleFacade(tuple(handlers), operations)


def _make_handlers(
    service: GoogleService, glossaries: GlossaryMethods, operations: Operations
) -> dict[str, grpc.GenericRpcHandler]:
    """By the services' full names. Methods that are not among them are UNIMPLEMENTED."""
    return {
        TRANSLATION: _make_translation_handler(service, glossaries),
        OPERATIONS: _make_operations_handler(operations),
    }


def _make_translation_handler(service: GoogleService, glossaries: GlossaryMethods) -> grpc.GenericRpcHandler:
    """The handler of TranslationService: Google's package wraps its messages and does not describe the service."""
    methods: dict[str, tuple[Method, Any, Any]] = {
        "TranslateText": (service.translate_text, types.TranslateTextRequest, types.TranslateTextResponse),
        "DetectLanguage": (service.detect_language, types.DetectLanguageRequest, types.DetectLanguageResponse),
        "GetSupportedLanguages": (
            service.get_supported_languages,
            types.GetSupportedLanguagesRequest,
            types.SupportedLanguages,
        ),
        "GetGlossary": (glossaries.get, types.GetGlossaryRequest, types.Glossary),
        "ListGlossaries": (glossaries.list, types.ListGlossariesRequest, types.ListGlossariesResponse),
    }
    started: dict[str, tuple[Method, Any]] = {
        "BatchTranslateText": (service.batch_translate_text, types.BatchTranslateTextRequest),
        "CreateGlossary": (glossaries.create, types.CreateGlossaryRequest),
        "DeleteGlossary": (glossaries.delete, types.DeleteGlossaryRequest),
    }
    handlers = {
        name: _make_handler(name, method, request.deserialize, response.serialize)
        for name, (method, request, response) in methods.items()
    }
    messages = {name: (request.pb(), response.pb()) for name, (_, request, response) in methods.items()}
    for name, (method, request) in started.items():
        serialize = operations_pb2.Operation.SerializeToString
        handlers[name] = _make_handler(name, method, request.deserialize, serialize)
        messages[name] = (request.pb(), operations_pb2.Operation)
    _describe_service(messages)
    return grpc.method_handlers_generic_handler(TRANSLATION, handlers)


def _make_operations_handler(operations: Operations) -> grpc.GenericRpcHandler:
    async def list_operations(request: operations_pb2.ListOperationsRequest) -> operations_pb2.ListOperationsResponse:
        if request.filter:
            raise UnsupportedError("filter: operations cannot be filtered here")
        found, next_page_token = operations.list(
            request.name, current_call.get().identity, request.page_size, request.page_token
        )
        return operations_pb2.ListOperationsResponse(operations=found, next_page_token=next_page_token)

    async def get(request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        return operations.get(request.name, current_call.get().identity)

    async def wait(request: operations_pb2.WaitOperationRequest) -> operations_pb2.Operation:
        has_timeout = request.HasField("timeout")
        if has_timeout and request.timeout.ToNanoseconds() < 0:
            raise InvalidInputError("timeout: is negative")
        return await operations.wait(
            request.name, current_call.get().identity, request.timeout.ToNanoseconds() / 1e9 if has_timeout else None
        )

    async def cancel(request: operations_pb2.CancelOperationRequest) -> empty_pb2.Empty:
        operations.cancel(request.name, current_call.get().identity)
        return empty_pb2.Empty()

    async def delete(request: operations_pb2.DeleteOperationRequest) -> empty_pb2.Empty:
        operations.delete(request.name, current_call.get().identity)
        return empty_pb2.Empty()

    methods: dict[str, tuple[Method, Any]] = {
        "ListOperations": (list_operations, operations_pb2.ListOperationsRequest),
        "GetOperation": (get, operations_pb2.GetOperationRequest),
        "WaitOperation": (wait, operations_pb2.WaitOperationRequest),
        "CancelOperation": (cancel, operations_pb2.CancelOperationRequest),
        "DeleteOperation": (delete, operations_pb2.DeleteOperationRequest),
    }
    handlers = {
        name: _make_handler(name, method, request.FromString, lambda response: response.SerializeToString())
        for name, (method, request) in methods.items()
    }
    return grpc.method_handlers_generic_handler(OPERATIONS, handlers)


def _make_handler(
    name: str, method: Method, deserialize: Callable[[bytes], Any], serialize: Callable[[Any], bytes]
) -> "grpc.RpcMethodHandler[Any, Any]":
    return grpc.unary_unary_rpc_method_handler(
        partial(_answer, name, method), request_deserializer=deserialize, response_serializer=serialize
    )


async def _answer(name: str, method: Method, request: Any, context: Context) -> Any:
    try:
        return await method(request)
    except QuotaError:  # the guard knows what to answer
        raise
    except Exception as error:
        await abort(context, as_google_has_it(error), name)


def _describe_service(messages: dict[str, tuple[Any, Any]]) -> None:
    """Describe the service, with the methods that exist here, in protobuf's pool, for reflection."""
    pool = descriptor_pool.Default()
    try:
        pool.FindServiceByName(TRANSLATION)
        return
    except KeyError:
        pass
    package, _, name = TRANSLATION.rpartition(".")
    file = descriptor_pb2.FileDescriptorProto(name="dragoman/google_translation_service.proto", package=package)
    service = file.service.add(name=name)
    for method, (request, response) in messages.items():
        service.method.add(
            name=method,
            input_type=f".{request.DESCRIPTOR.full_name}",
            output_type=f".{response.DESCRIPTOR.full_name}",
        )
        file.dependency.extend(
            sorted({message.DESCRIPTOR.file.name for message in (request, response)} - set(file.dependency))
        )
    file.syntax = "proto3"
    pool.AddSerializedFile(file.SerializeToString())
