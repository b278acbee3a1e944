"""/v1/documents: files that are translated while their sender asks how far they are."""

from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.http.bodies import MULTIPART
from dragoman.server.http.contract import DOCUMENT_FIELDS, ContractApi, read_document_order
from dragoman.server.http.gate import Gate, Visit
from dragoman.server.http.jobs import DONE, FAILED, QUEUED, TRANSLATING, Job, Jobs, offer_download
from dragoman.server.http.openapi import describe_operation

MAX_QUERY_BYTES = 1024
"""Of a body where none is due."""

_STRING: dict[str, Any] = {"type": "string"}
_FILE = _STRING | {"format": "binary"}
_STATE = {
    "name": _STRING,
    "state": {"type": "string", "enum": [QUEUED, TRANSLATING, DONE, FAILED]},
    "progress": {"type": "number", "minimum": 0, "maximum": 1},
    "numCharacters": {"type": "integer"},
    "message": _STRING,
}


def _described(**more: Any) -> dict[str, Any]:
    required = ["name", "state", "progress", *more]
    return {"type": "object", "properties": more | _STATE, "required": required, "additionalProperties": False}


_OF_ONE = {"id": "path", "key": "query"}

PATHS = {
    "/v1/documents": {
        "post": describe_operation(
            "Send a document; terms are a JSON list of the contract's Term",
            _described(id=_STRING, key=_STRING),
            fields={"file": {"type": "string", "format": "binary"}}
            | dict.fromkeys((*DOCUMENT_FIELDS, "terms"), _STRING)
            | {name: {"type": "boolean"} for name in ("protect", "localizeFigures")},
            required=("file", "targetLanguageCode"),
            media=MULTIPART,
        )
    },
    "/v1/documents/{id}": {
        "get": describe_operation("Say how far a document is", _described(), parameters=_OF_ONE),
        "delete": describe_operation("Delete a document", {"type": "object"}, parameters=_OF_ONE),
    },
    "/v1/documents/{id}/result": {
        "get": describe_operation(
            "Give the translation of a document",
            _FILE,
            parameters=_OF_ONE,
            answer_media="application/octet-stream",
        )
    },
}
"""OpenAPI's descriptions."""


class DocumentsApi:
    """The methods; their errors are the contract's. A document belongs to its token, and who asks for it needs the key
    that its sender got."""

    def __init__(self, jobs: Jobs, gate: Gate, contract: ContractApi, max_file_bytes: int) -> None:
        self._jobs = jobs
        self._gate = gate
        self._contract = contract
        self._max_file_bytes = max_file_bytes

    def routes(self) -> list[Route]:
        """The routes of all methods."""

        def endpoint(name: str, handler: Any, most: int = MAX_QUERY_BYTES) -> Any:
            return self._gate.endpoint(self._contract, name, handler, most)

        return [
            Route("/v1/documents", endpoint("sendDocument", self.send, self._max_file_bytes), methods=["POST"]),
            Route("/v1/documents/{id}", endpoint("getDocument", self.describe), methods=["GET"]),
            Route("/v1/documents/{id}/result", endpoint("getDocumentResult", self.result), methods=["GET"]),
            Route("/v1/documents/{id}", endpoint("deleteDocument", self.delete), methods=["DELETE"]),
        ]

    async def send(self, visit: Visit) -> Response:
        """POST /v1/documents: a form with file, targetLanguageCode and perhaps sourceLanguageCode, model, glossary,
        protect, localizeFigures, and terms as JSON."""
        job = await self._jobs.submit(visit, read_document_order(visit.body), visit.body.file())
        return JSONResponse({"id": job.id, "key": job.key} | self._describe(job))

    async def describe(self, visit: Visit) -> Response:
        """GET /v1/documents/ID?key=KEY: name, state ("queued", "translating", "done" or "error"), progress from 0 to 1,
        numCharacters when it is done, and message if it failed."""
        return JSONResponse(self._describe(await self._find(visit)))

    async def result(self, visit: Visit) -> Response:
        """GET /v1/documents/ID/result?key=KEY: the translated file."""
        job = await self._find(visit)
        if job.state != DONE:
            raise InvalidInputError(job.message if job.state == FAILED else "id: the document is not ready")
        content = await self._jobs.read(job)
        return Response(content, media_type="application/octet-stream", headers=offer_download(job.name))

    async def delete(self, visit: Visit) -> Response:
        """DELETE /v1/documents/ID?key=KEY; a translation under way ends."""
        await self._jobs.discard(await self._find(visit))
        return JSONResponse({})

    def _describe(self, job: Job) -> dict[str, Any]:
        described = {"name": job.name, "state": job.state, "progress": round(self._jobs.progress(job), 3)}
        if job.state == DONE:
            described["numCharacters"] = job.num_characters
        if job.state == FAILED:
            described["message"] = job.message
        return described

    async def _find(self, visit: Visit) -> Job:
        key = visit.body.text("key")
        job = await self._jobs.find(visit.request.path_params["id"], key, visit.call.identity)
        if job is None:
            raise NotFoundError("id: there is no such document, or it has expired, or the key is another one's")
        return job
