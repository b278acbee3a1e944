"""OpenAPI documents: of the contract as JSON, made from its methods, and of LibreTranslate's methods."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

REFERENCE = "#/components/schemas/"

TIMESTAMP = "google.protobuf.Timestamp"

EVENTS = "text/event-stream"

Schema = dict[str, Any]


class Described(Protocol):
    """A method: its path, HTTP's verb, its messages' classes, one line about it, and whether it answers with events."""

    @property
    def path(self) -> str: ...
    @property
    def verb(self) -> str: ...
    @property
    def request(self) -> Any: ...
    @property
    def response(self) -> Any: ...
    @property
    def summary(self) -> str: ...
    @property
    def is_stream(self) -> bool: ...


def describe_contract(methods: Iterable[Described], *, needs_token: bool) -> Schema:
    """The document of the contract's methods."""
    schemas: dict[str, Schema] = {"Error": _ERROR}
    paths: dict[str, Schema] = {}
    for method in methods:
        paths.setdefault(method.path, {})[method.verb.lower()] = _describe_method(method, schemas)
    components: Schema = {"schemas": dict(sorted(schemas.items()))}
    document: Schema = {
        "openapi": "3.1.0",
        "info": {"title": "Dragoman", "version": find_version(), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": components,
    }
    if needs_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def describe_operation(
    summary: str,
    answer: Schema,
    *,
    fields: Mapping[str, Schema] | None = None,
    required: Iterable[str] = (),
    media: str = "application/json",
    parameters: Mapping[str, str] | None = None,
    answer_media: str = "application/json",
) -> Schema:
    """A method of the contract's kind that is not the contract's. fields, required: of its body, in `media`.
    parameters: names of strings, by where they stand, "path" or "query"."""
    fault = {"application/json": {"schema": {"$ref": f"{REFERENCE}Error"}}}
    found: Schema = {
        "summary": summary,
        "responses": {
            "200": {"description": "The answer.", "content": {answer_media: {"schema": answer}}},
            "default": {"description": "A fault.", "content": fault},
        },
    }
    if fields is not None:
        body: Schema = {
            "type": "object",
            "properties": dict(fields),
            "required": list(required),
            "additionalProperties": False,
        }
        found["requestBody"] = {"required": True, "content": {media: {"schema": body}}}
    if parameters:
        found["parameters"] = [
            {"name": name, "in": place, "required": True, "schema": {"type": "string"}}
            for name, place in parameters.items()
        ]
    return found


def find_version() -> str:
    """The package's version; empty in a checkout."""
    try:
        return version("dragoman")
    except PackageNotFoundError:
        return ""


def _describe_method(method: Described, schemas: dict[str, Schema]) -> Schema:
    names = [part[1:-1] for part in method.path.split("/") if part.startswith("{")]
    request = _schema_of(method.request.DESCRIPTOR, schemas)
    media = EVENTS if method.is_stream else "application/json"
    answer = {media: {"schema": _schema_of(method.response.DESCRIPTOR, schemas)}}
    fault = {"application/json": {"schema": {"$ref": f"{REFERENCE}Error"}}}
    found: Schema = {
        "operationId": method.request.DESCRIPTOR.name.removesuffix("Request"),
        "summary": method.summary,
        "responses": {
            "200": {"description": "The answer; of a stream, the data of each event.", "content": answer},
            "default": {"description": "A fault.", "content": fault},
        },
    }
    if method.verb == "POST":
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
        return found
    fields = schemas[method.request.DESCRIPTOR.name]["properties"]
    found["parameters"] = [
        {
            "name": name,
            "in": "path" if name in names else "query",
            "required": name in names,
            "schema": schema,
        }
        for name, schema in fields.items()
    ]
    return found


def _schema_of(message: Any, schemas: dict[str, Schema]) -> Schema:
    """A reference to a message's schema, which is added with all that it needs."""
    if message.full_name == TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    if message.name not in schemas:
        schemas[message.name] = {}  # before its fields, which may refer to it
        properties = {field.json_name: _schema_of_field(field, schemas) for field in message.fields}
        schemas[message.name] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"$ref": REFERENCE + message.name}


def _schema_of_field(field: Any, schemas: dict[str, Schema]) -> Schema:
    if field.message_type is not None:
        one = _schema_of(field.message_type, schemas)
    elif field.enum_type is not None:
        one = {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    else:
        one = dict(_SCALARS[field.cpp_type, field.type == field.TYPE_BYTES])
    return {"type": "array", "items": one} if field.is_repeated else one


_SCALARS: Mapping[tuple[int, bool], Schema] = {
    (1, False): {"type": "integer", "format": "int32"},
    # Answers have a string, as protobuf's JSON writes it; requests may have a number.
    (2, False): {"type": ["string", "integer"], "format": "int64", "pattern": "^-?[0-9]+$"},
    (5, False): {"type": "number", "format": "double"},
    (6, False): {"type": "number", "format": "float"},
    (7, False): {"type": "boolean"},
    (9, False): {"type": "string"},
    (9, True): {"type": "string", "contentEncoding": "base64"},
}
"""By C++ type of protobuf's descriptors, and whether it is bytes."""

_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "reason", "message"],
            "properties": {name: {"type": "string"} for name in ("code", "reason", "message", "field")},
            "additionalProperties": False,
        }
    },
}

_TEXTS = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_LANGUAGE = {
    "type": "object",
    "required": ["confidence", "language"],
    "properties": {"confidence": {"type": "number"}, "language": {"type": "string"}},
}
_KEY = {"api_key": {"type": "string"}}
_OF_TEXTS = {"protect": {"type": "boolean"}, "localize_figures": {"type": "boolean"}}
"""This server's own."""
_PAIR = {"source": {"type": "string"}, "target": {"type": "string"}}

LIBRETRANSLATE: Mapping[str, tuple[str, str, Schema, tuple[str, ...], Schema]] = {
    "/translate": (
        "POST",
        "Translate a text or several",
        {
            "q": _TEXTS,
            **_PAIR,
            "format": {"type": "string", "enum": ["text", "html"]},
            "alternatives": {"type": "integer"},
            **_OF_TEXTS,
            **_KEY,
        },
        ("q", "source", "target"),
        {
            "type": "object",
            "required": ["translatedText"],
            "properties": {
                "translatedText": _TEXTS,
                "detectedLanguage": {"oneOf": [_LANGUAGE, {"type": "array", "items": _LANGUAGE}]},
                "alternatives": {"type": "array"},
            },
        },
    ),
    "/detect": (
        "POST",
        "Detect the language of a text",
        {"q": {"type": "string"}, **_KEY},
        ("q",),
        {"type": "array", "items": _LANGUAGE},
    ),
    "/languages": (
        "GET",
        "List the languages",
        {},
        (),
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "name", "targets"],
                "properties": {
                    "code": {"type": "string"},
                    "name": {"type": "string"},
                    "targets": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    ),
    "/translate_file": (
        "POST",
        "Translate a document",
        {"file": {"type": "string", "format": "binary"}, **_PAIR, **_OF_TEXTS, **_KEY},
        ("file", "source", "target"),
        {"type": "object", "required": ["translatedFileUrl"], "properties": {"translatedFileUrl": {"type": "string"}}},
    ),
    "/frontend/settings": ("GET", "Tell what a page needs to know", {}, (), {"type": "object"}),
    "/health": (
        "GET",
        "Say whether a model works",
        {},
        (),
        {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}},
    ),
}
"""By path: HTTP's verb, one line, the fields of the request, those that it needs, and the answer."""


def describe_libretranslate() -> Schema:
    """The document of LibreTranslate's methods."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "LibreTranslate", "version": find_version()},
        "paths": {path: {verb.lower(): method} for path, verb, method in _describe_all()},
    }


def _describe_all() -> Iterator[tuple[str, str, Schema]]:
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    for path, (verb, summary, fields, required, answer) in LIBRETRANSLATE.items():
        body = {"schema": {"type": "object", "required": list(required), "properties": fields}}
        kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
        if "file" in fields:
            del kinds[:-1]
        method: Schema = {
            "summary": summary,
            "responses": {
                "200": {"description": "The answer.", "content": {"application/json": {"schema": answer}}},
                "default": {"description": "A fault.", "content": {"application/json": {"schema": error}}},
            },
        }
        if fields:
            method["requestBody"] = {"required": True, "content": dict.fromkeys(kinds, body)}
        yield path, verb, method
