"""DeepL's glossaries: version 2 has one direction each, version 3 any number of dictionaries. Both are the caller's
glossaries."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.http.bodies import Body
from dragoman.server.http.gate import Dialect, Gate, Visit
from dragoman.server.translating.owned_glossaries import (
    Dictionary,
    OwnedGlossary,
    make_dictionary,
    read_phrases,
    with_dictionary,
    with_phrases,
    write_phrases,
)
from dragoman.server.translating.translating import Translating
from dragoman.translation.languages import primary_subtag

TSV = "text/tab-separated-values"

NO_CONTENT = 204

_IN_FORM = re.compile(r"dictionaries\[(\d{1,4})\]\.(\w+)", re.ASCII)


class DeepLGlossaries:
    """The methods."""

    def __init__(self, translating: Translating, gate: Gate, dialect: Dialect) -> None:
        self._translating = translating
        self._glossaries = translating.owned_glossaries
        self._gate = gate
        self._dialect = dialect

    def routes(self) -> list[Route]:
        """The routes of all methods."""
        most = self._translating.limits.max_message_bytes

        def route(path: str, name: str, handler: Any, verb: str = "GET") -> Route:
            return Route(path, self._gate.endpoint(self._dialect, name, handler, most), methods=[verb])

        one, many = "/v2/glossaries/{id}", "/v3/glossaries/{id}"
        return [
            route("/v2/glossary-language-pairs", "glossary_pairs", self.pairs),
            route("/v2/glossaries", "glossary_create", self.create_one, "POST"),
            route("/v2/glossaries", "glossary_list", self.list_ones),
            route(one, "glossary_get", self.get_one),
            route(one, "glossary_delete", self.delete, "DELETE"),
            route(f"{one}/entries", "glossary_entries", self.entries_of_one),
            route("/v3/glossaries", "glossary_create", self.create, "POST"),
            route("/v3/glossaries", "glossary_list", self.list),
            route(many, "glossary_get", self.get),
            route(many, "glossary_change", self.change, "PATCH"),
            route(many, "glossary_delete", self.delete, "DELETE"),
            route(f"{many}/entries", "glossary_entries", self.entries),
            route(f"{many}/dictionaries", "glossary_replace", self.replace_dictionary, "PUT"),
            route(f"{many}/dictionaries", "glossary_remove", self.delete_dictionary, "DELETE"),
        ]

    async def pairs(self, _: Visit) -> Response:
        """GET /v2/glossary-language-pairs."""
        pairs = sorted(
            {(primary_subtag(one.source), primary_subtag(one.target)) for one in self._translating.directions(None)}
        )
        known = [{"source_lang": source, "target_lang": target} for source, target in pairs]
        return JSONResponse({"supported_languages": known})

    async def create_one(self, visit: Visit) -> Response:
        """POST /v2/glossaries."""
        return JSONResponse(describe_one(await self._create(visit, [visit.body])), 201)

    async def list_ones(self, visit: Visit) -> Response:
        """GET /v2/glossaries: those with one dictionary, which version 2 can describe."""
        found = [one for one in self._glossaries.list(visit.call.identity) if len(one.dictionaries) == 1]
        return JSONResponse({"glossaries": list(map(describe_one, found))})

    async def get_one(self, visit: Visit) -> Response:
        """GET /v2/glossaries/ID."""
        return JSONResponse(describe_one(self._find_one(visit)))

    async def entries_of_one(self, visit: Visit) -> Response:
        """GET /v2/glossaries/ID/entries."""
        return Response(write_phrases(self._find_one(visit).dictionaries[0]), media_type=TSV)

    async def create(self, visit: Visit) -> Response:
        """POST /v3/glossaries."""
        dictionaries = _read_dictionaries(visit.body)
        if not dictionaries:
            raise InvalidInputError("dictionaries: there is none")
        return JSONResponse(describe(await self._create(visit, dictionaries)), 201)

    async def list(self, visit: Visit) -> Response:
        """GET /v3/glossaries."""
        return JSONResponse({"glossaries": list(map(describe, self._glossaries.list(visit.call.identity)))})

    async def get(self, visit: Visit) -> Response:
        """GET /v3/glossaries/ID."""
        return JSONResponse(describe(self._find(visit)))

    async def entries(self, visit: Visit) -> Response:
        """GET /v3/glossaries/ID/entries."""
        dictionary = self._find(visit).dictionary(visit.body.text("source_lang"), visit.body.text("target_lang"))
        languages = {"source_lang": dictionary.source, "target_lang": dictionary.target}
        entries = {"entries": write_phrases(dictionary), "entries_format": "tsv"}
        return JSONResponse({"dictionaries": [languages | entries]})

    async def change(self, visit: Visit) -> Response:
        """PATCH /v3/glossaries/ID: a new name, more terms, or both."""
        title, given = visit.body.text("name"), _read_dictionaries(visit.body)
        if not title and not given:
            raise InvalidInputError("name or dictionaries must be given")

        def edit(glossary: OwnedGlossary) -> OwnedGlossary:
            for one in given:
                glossary = with_phrases(glossary, self._make(one))
            return replace(glossary, title=title or glossary.title)

        return JSONResponse(describe(await self._change(visit, edit)))

    async def replace_dictionary(self, visit: Visit) -> Response:
        """PUT /v3/glossaries/ID/dictionaries."""
        new = await asyncio.to_thread(self._make, visit.body)
        await self._change(visit, lambda glossary: with_dictionary(glossary, new, new.source, new.target))
        return JSONResponse(_describe_dictionary(new))

    async def delete_dictionary(self, visit: Visit) -> Response:
        """DELETE /v3/glossaries/ID/dictionaries."""
        source, target = visit.body.text("source_lang"), visit.body.text("target_lang")
        self._find(visit).dictionary(source, target)
        await self._change(visit, lambda glossary: with_dictionary(glossary, None, source, target))
        return Response(status_code=NO_CONTENT)

    async def delete(self, visit: Visit) -> Response:
        """DELETE /v2/glossaries/ID and /v3/glossaries/ID."""
        await asyncio.to_thread(self._glossaries.delete, visit.call.identity, visit.request.path_params["id"])
        return Response(status_code=NO_CONTENT)

    def _find(self, visit: Visit) -> OwnedGlossary:
        return self._glossaries.get(visit.call.identity, visit.request.path_params["id"])

    def _find_one(self, visit: Visit) -> OwnedGlossary:
        found = self._find(visit)
        if len(found.dictionaries) != 1:
            raise NotFoundError("Glossary not found: version 2 has those with one dictionary alone")
        return found

    async def _create(self, visit: Visit, given: Sequence[Body]) -> OwnedGlossary:
        def create() -> OwnedGlossary:
            return self._glossaries.create(visit.call.identity, visit.body.text("name"), [*map(self._make, given)])

        return await asyncio.to_thread(create)

    async def _change(self, visit: Visit, edit: Any) -> OwnedGlossary:
        change = partial(self._glossaries.change, visit.call.identity, visit.request.path_params["id"], edit)
        return await asyncio.to_thread(change)

    def _make(self, body: Body) -> Dictionary:
        """The dictionary of these fields. Raises InvalidInputError for those that make no sense."""
        languages = []
        known = self._translating.directions(None)
        for name, served in (("source_lang", {d.source for d in known}), ("target_lang", {d.target for d in known})):
            language = primary_subtag(body.text(name))
            if language not in map(primary_subtag, served):
                raise InvalidInputError(f"Value for '{name}' not supported.")
            languages.append(language)
        phrases = read_phrases(body.text("entries"), body.text("entries_format") or "tsv")
        return make_dictionary(languages[0], languages[1], phrases)


def _read_dictionaries(body: Body) -> Sequence[Body]:
    """The fields of each dictionary: of a list of objects, or of a form's fields such as "dictionaries[0].entries"."""
    if body.is_form:
        by_number: dict[int, dict[str, Any]] = {}
        for name, value in body.values.items():
            if match := _IN_FORM.fullmatch(name):
                by_number.setdefault(int(match[1]), {})[match[2]] = value
        return [Body(fields, is_form=True) for _, fields in sorted(by_number.items())]
    given = body.values.get("dictionaries") or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise InvalidInputError("dictionaries: must be a list of objects")
    return list(map(Body, given))


def describe(glossary: OwnedGlossary) -> dict[str, Any]:
    """A glossary in version 3."""
    return {
        "glossary_id": glossary.id,
        "name": glossary.title,
        "dictionaries": list(map(_describe_dictionary, glossary.dictionaries)),
        "creation_time": _write_time(glossary.created),
    }


def describe_one(glossary: OwnedGlossary) -> dict[str, Any]:
    """A glossary of one dictionary in version 2."""
    described = describe(glossary)
    del described["dictionaries"]
    return described | _describe_dictionary(glossary.dictionaries[0]) | {"ready": True}


def _describe_dictionary(dictionary: Dictionary) -> dict[str, Any]:
    return {
        "source_lang": dictionary.source,
        "target_lang": dictionary.target,
        "entry_count": len(dictionary.phrases),
    }


def _write_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
