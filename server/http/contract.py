"""The contract of proto/ as JSON: /v1/METHOD takes a method's request and gives its response, as protobuf's JSON."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext, Priority
from dragoman.server.contract.methods import Methods
from dragoman.server.contract.requests import read_order
from dragoman.server.contract.streaming import TextStream
from dragoman.server.http.bodies import Body
from dragoman.server.http.gate import Gate, Visit
from dragoman.server.http.openapi import EVENTS, describe_contract
from dragoman.server.translating.faults import UNFORESEEN, Fault, fault_of
from dragoman.server.translating.orders import TranslationOrder
from dragoman.v1 import translation_pb2 as pb

Answer: TypeAlias = Callable[[Any, CallContext], Awaitable[Message]]

DOCUMENT_FIELDS = ("targetLanguageCode", "sourceLanguageCode", "model", "glossary")


@dataclass(frozen=True, slots=True)
class JsonMethod:
    """A method with one request. verb: HTTP's. summary: one line. is_stream: whether it answers with events, each of
    which has a response."""

    path: str
    request: type[Message]
    response: type[Message]
    answer: Answer | None
    verb: str
    summary: str
    is_stream: bool = False


class ContractApi:
    """The methods. Their errors are objects with an "error" that has code, message and, if known, field."""

    name = "json"
    has_body_tokens = False

    def __init__(self, methods: Methods, gate: Gate, more_paths: Mapping[str, Any] = MappingProxyType({})) -> None:
        """more_paths: OpenAPI's descriptions of methods beside the contract's, with the same tokens and errors."""
        self._methods = methods
        self._gate = gate
        self._more_paths = more_paths
        self._limits = methods.translating.limits

    def methods(self) -> list[JsonMethod]:
        """All methods but those that answer by events."""
        m = self._methods
        found: list[tuple[str, str, type[Message], type[Message], Answer, str]] = [
            ("POST", "translate", pb.TranslateRequest, pb.TranslateResponse, m.translate, "Translate a batch of texts"),
            ("POST", "score", pb.ScoreRequest, pb.ScoreResponse, m.score, "Score given translations"),
            (
                "POST",
                "detectLanguage",
                pb.DetectLanguageRequest,
                pb.DetectLanguageResponse,
                m.detect_language,
                "Detect the languages of texts",
            ),
            ("GET", "models", pb.ListModelsRequest, pb.ListModelsResponse, m.list_models, "List the models"),
            ("GET", "models/{name}", pb.GetModelRequest, pb.GetModelResponse, m.get_model, "Describe a model"),
            (
                "POST",
                "glossaries",
                pb.CreateGlossaryRequest,
                pb.CreateGlossaryResponse,
                m.create_glossary,
                "Store a glossary",
            ),
            (
                "GET",
                "glossaries",
                pb.ListGlossariesRequest,
                pb.ListGlossariesResponse,
                m.list_glossaries,
                "List the glossaries",
            ),
            (
                "GET",
                "glossaries/{name}",
                pb.GetGlossaryRequest,
                pb.GetGlossaryResponse,
                m.get_glossary,
                "Return a glossary with its terms",
            ),
            (
                "DELETE",
                "glossaries/{name}",
                pb.DeleteGlossaryRequest,
                pb.DeleteGlossaryResponse,
                m.delete_glossary,
                "Delete a glossary",
            ),
            ("GET", "usage", pb.GetUsageRequest, pb.GetUsageResponse, m.get_usage, "Return what the caller has used"),
            ("GET", "server", pb.GetServerRequest, pb.GetServerResponse, m.get_server, "Describe the server"),
        ]
        return [
            JsonMethod(f"/v1/{path}", request, response, answer, verb, summary)
            for verb, path, request, response, answer, summary in found
        ]

    def describe(self) -> dict[str, Any]:
        """The OpenAPI document of all methods."""
        live = JsonMethod(
            "/v1/translateLive",
            pb.TranslateLiveRequest,
            pb.TranslateLiveResponse,
            None,
            "POST",
            "Translate a text and show its translation while the search goes on",
            is_stream=True,
        )
        stream = JsonMethod(
            "/v1/translateStream",
            pb.TranslateStreamRequest,
            pb.TranslateStreamResponse,
            None,
            "POST",
            "Translate any number of texts; results come as they are ready",
            is_stream=True,
        )
        needs_token = self._gate.admission.needs_token
        document = describe_contract([*self.methods(), live, stream], needs_token=needs_token)
        # Over HTTP one request has the configuration and all items.
        schemas = document["components"]["schemas"]
        items = schemas["TranslateStreamItems"]["properties"]["items"]
        schemas["TranslateStreamRequest"]["properties"]["items"] = items
        document["paths"].update(self._more_paths)
        return document

    def routes(self) -> list[Route]:
        """The routes of all methods."""
        most = self._limits.max_message_bytes
        found = [
            Route(
                method.path,
                self._gate.endpoint(self, method.path.split("/")[2], self._handler(method), most),
                methods=[method.verb],
            )
            for method in self.methods()
        ]

        async def describe(_: Request) -> Response:
            return JSONResponse(self.describe())

        live = self._gate.endpoint(self, "translateLive", self.translate_live, most)
        stream = self._gate.endpoint(self, "translateStream", self.translate_stream, most)
        return [
            *found,
            Route("/v1/translateLive", live, methods=["POST"]),
            Route("/v1/translateStream", stream, methods=["POST"]),
            Route("/v1/openapi.json", describe, methods=["GET"]),
        ]

    def present(self, request: Request, body: Body | None) -> str:
        """A bearer token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""

    def write_fault(self, fault: Fault, status: int) -> Response:
        """The fault as an object."""
        return JSONResponse(describe_fault(fault), status)

    def _handler(self, method: JsonMethod) -> Callable[[Visit], Awaitable[Response]]:
        assert method.answer is not None
        answer = method.answer

        async def handle(visit: Visit) -> Response:
            request = read_message(visit, method.request)
            visit.count(texts_of(request))
            response = await answer(request, visit.call)
            visit.call.model = getattr(response, "model", "") if isinstance(getattr(response, "model", ""), str) else ""
            return Response(await _write_soon(response), media_type="application/json")

        return handle

    async def translate_live(self, visit: Visit) -> Response:
        """POST /v1/translateLive: the translation so far, as server-sent events."""
        request = read_message(visit, pb.TranslateLiveRequest)
        visit.count([request.text])
        states = self._methods.translate_live(request, visit.call)
        first = await anext(states)  # raises before anything is sent
        visit.call.model = first.started.model
        return StreamingResponse(_write_events(first, states), media_type=EVENTS, headers={"cache-control": "no-store"})

    async def translate_stream(self, visit: Visit) -> Response:
        """POST /v1/translateStream: {"config": …, "items": […]}; results as server-sent events, each when it is
        ready."""
        visit.body.check_pairs()
        fields = dict(visit.body.values)
        config = parse_fields(fields.pop("config", {}), pb.TranslateStreamConfig)
        items = parse_fields(fields, pb.TranslateStreamItems)
        visit.count([item.text for item in items.items])
        order = read_order(config, default_priority=Priority.BATCH)
        results: asyncio.Queue[pb.TranslateStreamResponse | Exception | None] = asyncio.Queue(maxsize=4)

        async def requests() -> AsyncIterator[pb.TranslateStreamRequest]:
            most = self._limits.max_texts
            for begin in range(0, len(items.items), most):
                part = items.items[begin : begin + most]
                yield pb.TranslateStreamRequest(items=pb.TranslateStreamItems(items=part))

        async def run() -> None:
            try:
                with self._methods.translating.open(order) as session:
                    await session.borrow()  # its model is named before any text comes
                    await TextStream(requests(), results.put, session, visit.call).run()
                await results.put(None)
            except Exception as error:
                await results.put(error)

        running = asyncio.create_task(run())
        try:
            first = await results.get()
        except BaseException:
            running.cancel()
            raise
        if isinstance(first, Exception):
            raise first
        assert first is not None  # the model, before any result
        visit.call.model = first.started.model

        async def rest() -> AsyncGenerator[pb.TranslateStreamResponse, None]:
            try:
                while (result := await results.get()) is not None:
                    if isinstance(result, Exception):
                        raise result
                    yield result
            finally:
                running.cancel()

        return StreamingResponse(_write_events(first, rest()), media_type=EVENTS, headers={"cache-control": "no-store"})


def read_message(visit: Visit, kind: type[Message]) -> Any:
    """The message of a request: its JSON, or for GET the fields of its address. Raises InvalidInputError."""
    visit.body.check_pairs()  # protobuf would fail
    values = dict(visit.body.values)
    if visit.body.is_form:
        if visit.request.method == "POST" and visit.body.raw:
            raise InvalidInputError("the body must be a JSON object: set content-type: application/json")
        values = {name: given[-1] for name, given in values.items()}
    return parse_fields(values | visit.request.path_params, kind)


def parse_fields(values: Any, kind: type[Message]) -> Any:
    """A message from the object of its fields. Raises InvalidInputError that names the faulty field."""
    if not isinstance(values, dict):
        raise InvalidInputError(f"{kind.DESCRIPTOR.name}: must be a JSON object")
    try:
        return json_format.ParseDict(values, kind(), max_recursion_depth=16)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidInputError(f"the request is no {kind.DESCRIPTOR.name}: {error}") from error


def read_document_order(body: Body) -> TranslationOrder:
    """The order of a form with a file: its fields targetLanguageCode, sourceLanguageCode, model and glossary,
    protect and localizeFigures, and terms as JSON. Raises InvalidInputError."""
    fields: dict[str, Any] = {name: body.text(name) for name in DOCUMENT_FIELDS if body.text(name)}
    if terms := body.text("terms"):
        try:
            fields["terms"] = json.loads(terms)
        except (ValueError, RecursionError) as error:
            raise InvalidInputError("terms: must be a JSON list of terms") from error
    fields["protect"] = body.flag("protect", True)
    fields["localizeFigures"] = body.flag("localizeFigures")
    return read_order(parse_fields(fields, pb.TranslateRequest))


def texts_of(request: Any) -> list[str]:
    """The texts of a request, which are counted."""
    if isinstance(request, pb.TranslateRequest | pb.DetectLanguageRequest):
        return list(request.texts)
    if isinstance(request, pb.ScoreRequest):
        return [text for pair in request.pairs for text in (pair.source, pair.target)]
    return []


def describe_fault(fault: Fault) -> dict[str, Any]:
    """A fault as JSON."""
    known = {"code": fault.code, "reason": fault.reason, "message": fault.message, "field": fault.field}
    return {"error": {name: value for name, value in known.items() if value}}


def write_message(message: Message) -> str:
    """A message as one line of JSON, with all fields that a client may look at."""
    return json.dumps(
        json_format.MessageToDict(message, always_print_fields_with_no_presence=False), ensure_ascii=False
    )


async def _write_soon(message: Message) -> str:
    """`write_message`, off the event loop if it takes a while."""
    return await asyncio.to_thread(write_message, message) if message.ByteSize() > 65_536 else write_message(message)


async def _write_events(first: Message, rest: AsyncGenerator[Any, None]) -> AsyncIterator[str]:
    """Messages as server-sent events; at last "done", or the fault as "error"."""
    yield f"data: {write_message(first)}\n\n"
    try:
        async with aclosing(rest):
            async for message in rest:
                yield f"data: {await _write_soon(message)}\n\n"
    except Exception as error:
        fault = fault_of(error) or Fault("INTERNAL", UNFORESEEN, "INTERNAL")
        yield f"event: error\ndata: {json.dumps(describe_fault(fault))}\n\n"
    else:
        yield "event: done\ndata: {}\n\n"
