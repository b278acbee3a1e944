"""/v1/attention: what a model computes between a sentence and its translation, as JSON."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from dragoman.model.errors import InvalidInputError
from dragoman.server.http.contract import ContractApi
from dragoman.server.http.gate import Gate, Visit
from dragoman.server.http.openapi import describe_operation
from dragoman.server.translating.explaining import Explained, Explaining
from dragoman.server.translating.orders import ScoreOrder
from dragoman.translation.scoring.explaining import KINDS, VectorsOf

FIELDS = ("source", "target", "sourceLanguageCode", "targetLanguageCode", "model", "vectors")

SNAKE = {"source_language_code": "sourceLanguageCode", "target_language_code": "targetLanguageCode"}
"""Names that the contract's JSON takes, too."""

_STRING, _NUMBERS = {"type": "string"}, {"type": "array", "items": {"type": "number"}}
_PIECES = {"type": "array", "items": _STRING}
_HEADS = {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": _NUMBERS}}}
_VECTORS_OF = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "enum": list(KINDS)},
        "layer": {"type": "integer", "minimum": 0},
        "head": {"type": "integer", "minimum": 0},
    },
    "required": ["kind", "layer", "head"],
    "additionalProperties": False,
}
_NEXT = {
    "type": "object",
    "properties": {"piece": _STRING, "probability": {"type": "number"}},
    "required": ["piece", "probability"],
}
_ANSWER: dict[str, Any] = {
    "model": _STRING,
    "revision": _STRING,
    "sourceLanguageCode": _STRING,
    "targetLanguageCode": _STRING,
    "sourcePieces": _PIECES,
    "read": _PIECES,
    "written": _PIECES,
    "probabilities": _NUMBERS,
    "next": {"type": "array", "items": {"type": "array", "items": _NEXT}},
    **dict.fromkeys(KINDS, _HEADS),
    "vectors": {
        "type": "object",
        "properties": {key: {"type": "array", "items": _NUMBERS} for key in ("queries", "keys", "values")},
        "required": ["queries", "keys", "values"],
    },
}

PATHS = {
    "/v1/attention": {
        "post": describe_operation(
            "Explain what the network computes between a text and its translation",
            {
                "type": "object",
                "properties": _ANSWER,
                "required": [name for name in _ANSWER if name != "vectors"],
                "additionalProperties": False,
            },
            fields={name: _VECTORS_OF if name == "vectors" else _STRING for name in FIELDS},
            required=("source", "target", "targetLanguageCode"),
        )
    }
}
"""OpenAPI's description; attentions are [layer][head][query][key]."""


class AttentionApi:
    """The method; its errors are the contract's."""

    def __init__(self, explaining: Explaining, gate: Gate, contract: ContractApi, max_bytes: int) -> None:
        """max_bytes: of a request."""
        self._explaining = explaining
        self._endpoint = gate.endpoint(contract, "attention", self.explain, max_bytes)

    def routes(self) -> list[Route]:
        """Its route."""
        return [Route("/v1/attention", self._endpoint, methods=["POST"])]

    async def explain(self, visit: Visit) -> Response:
        """POST /v1/attention: {"source", "target", "sourceLanguageCode", "targetLanguageCode", "model"}, and with
        "vectors": {"kind": "encoder", "decoder" or "cross", "layer", "head"} a head's queries, keys and values. Answers
        with `Explanation.fields`, "vectors" and the model."""
        body = replace(visit.body, values={SNAKE.get(name, name): value for name, value in visit.body.values.items()})
        if unknown := sorted(body.values.keys() - set(FIELDS)):
            raise InvalidInputError(f"{unknown[0]}: is unknown; there is {', '.join(FIELDS)}")
        source, target = body.text("source"), body.text("target")
        wanted = _read_vectors(body.values.get("vectors"))
        visit.count([source, target])
        order = ScoreOrder(body.text("targetLanguageCode"), body.text("sourceLanguageCode"), body.text("model") or None)
        explained = await self._explaining.explain(order, source, target)
        visit.call.model = explained.model
        content = await asyncio.to_thread(_write, explained, wanted)
        return Response(content, media_type="application/json")


def _write(explained: Explained, wanted: VectorsOf | None) -> bytes:
    fields: dict[str, Any] = {
        "model": explained.model,
        "revision": explained.revision,
        "sourceLanguageCode": explained.direction.source,
        "targetLanguageCode": explained.direction.target,
        **explained.explanation.fields(),
    }
    if wanted is not None:
        fields["vectors"] = explained.explanation.vectors(wanted)
    return msgspec.json.encode(fields)


def _read_vectors(given: Any) -> VectorsOf | None:
    if given is None:
        return None
    if not isinstance(given, dict) or given.keys() != {"kind", "layer", "head"}:
        raise InvalidInputError("vectors: must be an object of kind, layer and head")
    kind, layer, head = given["kind"], given["layer"], given["head"]
    if kind not in KINDS:
        raise InvalidInputError(f"vectors.kind: must be one of {', '.join(KINDS)}")
    for name, number in (("layer", layer), ("head", head)):
        if not isinstance(number, int) or isinstance(number, bool):
            raise InvalidInputError(f"vectors.{name}: must be a whole number")
    return VectorsOf(kind, layer, head)
