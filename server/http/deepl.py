"""DeepL's API for its clients as they are: texts, documents, languages, usage."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.http.bodies import Body
from dragoman.server.http.deepl_glossaries import DeepLGlossaries
from dragoman.server.http.deepl_xml import XmlOptions, translate_xml
from dragoman.server.http.gate import Gate, Visit
from dragoman.server.http.jobs import DONE, FAILED, QUEUED, TRANSLATING, Job, Jobs, offer_download
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.faults import QUOTA_EXHAUSTED, Fault
from dragoman.server.translating.orders import AUTO, Outcome, TranslationOrder
from dragoman.server.translating.translating import Translating
from dragoman.translation.languages import find_language, name_of_language

VARIANTS = {"EN": ("EN-GB", "EN-US"), "PT": ("PT-BR", "PT-PT")}
"""Target languages that DeepL's clients name by region alone."""

REFUSED = ("style_id", "custom_instructions", "translation_memory_id")
"""Fields that ask for what this server does not have."""

FORMALITIES = ("default", "prefer_more", "prefer_less", "more", "less")

RESOURCES: Mapping[str, tuple[str, ...] | None] = {
    "translate_text": ("tag_handling", "glossary"),
    "translate_document": ("glossary",),
    "glossary": (),
    **dict.fromkeys(("voice", "write", "style_rules", "translation_memory")),
}
"""What DeepL can do, with the features that every language has; None for what this server does not do."""

UNLIMITED_CHARACTERS = 10**12
"""What DeepL gives as the limit of an account without one."""

_SECONDS_REMAINING = 1


class DeepL:
    """The methods. Their errors are objects with a "message"."""

    name = "deepl"
    has_body_tokens = False

    def __init__(self, translating: Translating, gate: Gate, jobs: Jobs, max_file_bytes: int) -> None:
        self._translating = translating
        self._gate = gate
        self._jobs = jobs
        self._max_file_bytes = max_file_bytes

    def routes(self) -> list[Route]:
        """The routes of all methods."""
        most = self._translating.limits.max_message_bytes

        def post(path: str, name: str, handler: Any, max_bytes: int = most) -> Route:
            return Route(path, self._gate.endpoint(self, name, handler, max_bytes), methods=["POST"])

        def read(path: str, name: str, handler: Any) -> Route:
            return Route(path, self._gate.endpoint(self, name, handler, most), methods=["GET", "POST"])

        return [
            post("/v2/translate", "translate", self.translate),
            post("/v2/document", "document", self.upload, self._max_file_bytes),
            read("/v2/document/{id}", "document_status", self.document_status),
            read("/v2/document/{id}/result", "document_result", self.document_result),
            read("/v2/languages", "languages", self.languages),
            read("/v3/languages", "languages", self.languages_of),
            read("/v2/usage", "usage", self.usage),
            *DeepLGlossaries(self._translating, self._gate, self).routes(),
        ]

    def present(self, request: Request, body: Body | None) -> str:
        """The key in the header, as DeepL writes it or as a bearer token."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key if scheme.lower() in ("deepl-auth-key", "bearer") else ""

    def write_fault(self, fault: Fault, status: int) -> Response:
        """DeepL answers 403 to unknown keys, without a body, and 456 if a quota is used up."""
        if status == 401:
            return JSONResponse({"message": "Forbidden"}, 403)
        return JSONResponse({"message": fault.message}, 456 if fault.reason == QUOTA_EXHAUSTED else status)

    async def translate(self, visit: Visit) -> Response:
        """POST /v2/translate."""
        body = visit.body
        texts = body.texts("text")
        if not texts:
            raise InvalidInputError("Parameter 'text' not specified.")
        order = self._read_order(visit)
        visit.count(texts)
        if body.text("tag_handling") == "xml":
            options = XmlOptions(
                frozenset(body.names("ignore_tags")),
                frozenset(body.names("splitting_tags")),
                frozenset(body.names("non_splitting_tags")),
                outline_detection=body.flag("outline_detection", True),
            )
            translated = [await self._translate_xml(visit, order, text, options) for text in texts]
        else:
            with self._translating.open(order, field="text") as session:
                outcomes = await session.translate(texts, visit.call)
                visit.call.model = session.model[0]
            translated = [_read_outcome(place, outcome) for place, outcome in enumerate(outcomes)]
        answers = []
        for text, (translation, source) in zip(texts, translated, strict=True):
            answer: dict[str, Any] = {"detected_source_language": code_of(source), "text": translation}
            if body.flag("show_billed_characters"):
                answer["billed_characters"] = len(text)
            if "model_type" in body.values:
                answer["model_type_used"] = "quality_optimized"
            answers.append(answer)
        return JSONResponse({"translations": answers})

    async def upload(self, visit: Visit) -> Response:
        """POST /v2/document."""
        file = visit.body.file()
        name = visit.body.text("filename") or file.name
        order = self._read_order(visit)
        job = await self._jobs.submit(visit, order, replace(file, name=name))
        return JSONResponse({"document_id": job.id, "document_key": job.key})

    async def document_status(self, visit: Visit) -> Response:
        """POST /v2/document/ID."""
        job = await self._find_job(visit)
        answer: dict[str, Any] = {"document_id": job.id, "status": job.state}
        if job.state in (QUEUED, TRANSLATING):
            answer["seconds_remaining"] = _SECONDS_REMAINING
        if job.state == DONE:
            answer["billed_characters"] = job.num_characters
        if job.state == FAILED:
            answer["message"] = answer["error_message"] = job.message
        return JSONResponse(answer)

    async def document_result(self, visit: Visit) -> Response:
        """POST /v2/document/ID/result; then the document is deleted."""
        job = await self._find_job(visit)
        if job.state == FAILED:
            raise InvalidInputError(job.message)
        if job.state != DONE:
            return JSONResponse({"message": "Document is not ready"}, 503)
        content = await self._jobs.take(job)
        return Response(content, media_type="application/octet-stream", headers=offer_download(job.name))

    async def languages(self, visit: Visit) -> Response:
        """GET /v2/languages?type=source|target."""
        kind = visit.body.text("type", "source")
        if kind not in ("source", "target"):
            raise InvalidInputError("Parameter 'type' must be source or target.")
        directions = self._translating.directions(None)
        if kind == "source":
            codes = sorted({code_of(direction.source) for direction in directions})
            return JSONResponse([{"language": code, "name": name_of_language(code)} for code in codes])
        targets = {code_of(direction.target, keeps_region=True) for direction in directions}
        names = sorted(name for code in targets for name in VARIANTS.get(code, (code,)))
        return JSONResponse(
            [{"language": code, "name": name_of_language(code), "supports_formality": False} for code in names]
        )

    async def languages_of(self, visit: Visit) -> Response:
        """GET /v3/languages?resource=…: none for what this server does not do."""
        resource = visit.body.text("resource")
        if resource not in RESOURCES:
            raise InvalidInputError("Value for 'resource' not supported.")
        names = RESOURCES[resource]
        if names is None:
            return JSONResponse([])
        directions = self._translating.directions(None)
        sources = {direction.source.split("-")[0] for direction in directions}
        targets = {direction.target for direction in directions}
        features = {name: {"status": "stable"} for name in names}
        return JSONResponse(
            [
                {
                    "lang": language,
                    "name": name_of_language(language),
                    "usable_as_source": language in sources,
                    "usable_as_target": language in targets,
                    "status": "stable",
                    "features": features,
                }
                for language in sorted(sources | targets)
            ]
        )

    async def usage(self, visit: Visit) -> Response:
        """GET /v2/usage: of the month, or of the day if that alone has a limit."""
        day, month = visit.admission.quotas.usage.of(visit.token)
        is_daily = month.max_characters is None and day.max_characters is not None
        period = day if is_daily else month
        return JSONResponse(
            {
                "character_count": period.characters,
                "character_limit": period.max_characters or UNLIMITED_CHARACTERS,
                "start_time": _write_time(period.begin),
                "end_time": _write_time(period.end),
            }
        )

    async def _translate_xml(
        self, visit: Visit, order: TranslationOrder, text: str, options: XmlOptions
    ) -> tuple[str, str]:
        return await translate_xml(self._translating, order, text, options, visit.call)

    async def _find_job(self, visit: Visit) -> Job:
        key = visit.body.text("document_key")
        job = await self._jobs.find(visit.request.path_params["id"], key, visit.call.identity)
        if job is None:
            raise NotFoundError("Document not found")
        return job

    def _read_order(self, visit: Visit) -> TranslationOrder:
        body = visit.body
        directions = self._translating.directions(None)
        target = body.text("target_lang")
        if not target:
            raise InvalidInputError("Parameter 'target_lang' not specified.")
        found = find_language(target, {direction.target for direction in directions})
        if found is None:
            raise InvalidInputError("Value for 'target_lang' not supported.")
        source = body.text("source_lang")
        sources = {direction.source for direction in directions if direction.target == found}
        if source and find_language(source, sources) is None:
            raise InvalidInputError("Value for 'source_lang' not supported.")
        for name in REFUSED:
            if body.values.get(name):
                raise InvalidInputError(f"Parameter '{name}' is not supported by this server.")
        formality = body.text("formality") or "default"
        if formality not in FORMALITIES:
            raise InvalidInputError("Value for 'formality' not supported.")
        if formality in ("more", "less"):
            raise InvalidInputError("'formality' is not supported for given 'target_lang'.")
        tags = body.text("tag_handling")
        if tags not in ("", "xml", "html"):
            raise InvalidInputError("Value for 'tag_handling' not supported.")
        split = _read_split(body, tags)
        glossary = body.text("glossary_id")
        if glossary:
            if not source:
                raise InvalidInputError("Parameter 'source_lang' must be specified with 'glossary_id'.")
            self._translating.owned_glossaries.get(visit.call.identity, glossary).dictionary(source, found)
        return TranslationOrder(
            found,
            find_language(source, sources) or AUTO if source else AUTO,
            text_format="html" if tags == "html" else "plain",
            split_sentences=split != "0",
            join_lines=split == "nonewlines",
            glossary=glossary,
            glossary_owner=visit.call.identity if glossary else None,
            protect=body.flag("protect", True),
            localize_figures=body.flag("localize_figures"),
        )


def _read_split(body: Body, tags: str) -> str:
    value = body.values.get("split_sentences")
    if isinstance(value, bool):
        return "1" if value else "0"
    split = body.text("split_sentences") or ("nonewlines" if tags else "1")
    if split not in ("0", "1", "nonewlines", "default"):
        raise InvalidInputError("Value for 'split_sentences' not supported.")
    return split


def _read_outcome(place: int, outcome: Outcome) -> tuple[str, str]:
    if isinstance(outcome, TextFailure):
        raise InvalidInputError(f"text[{place}]: {outcome.reason}")
    return outcome.translation.text, outcome.source_language


def code_of(language: str, *, keeps_region: bool = False) -> str:
    """A language as DeepL writes it: "DE", or "PT-BR" with its region."""
    return language.upper() if keeps_region else language.split("-")[0].upper()


def _write_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
