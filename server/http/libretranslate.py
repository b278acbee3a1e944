"""LibreTranslate's API, for its clients as they are."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dragoman.model.decoding.search_options import MAX_BEAM_SIZE, SearchOptions
from dragoman.model.errors import InvalidInputError
from dragoman.server.http.bodies import Body
from dragoman.server.http.gate import Gate, Visit
from dragoman.server.http.jobs import Jobs, offer_download
from dragoman.server.http.openapi import describe_libretranslate
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.detection import Candidate
from dragoman.server.translating.faults import Fault
from dragoman.server.translating.orders import AUTO, Outcome, Translated, TranslationOrder
from dragoman.server.translating.translating import Translating
from dragoman.translation.documents.opening import FORMATS
from dragoman.translation.languages import name_of_language

MAX_ALTERNATIVES = MAX_BEAM_SIZE - 1

DETECTED, ALL = 3, 1000
"""Languages that /detect answers with, and more than there are."""


class LibreTranslate:
    """The methods. Their errors are objects with an "error"."""

    name = "libretranslate"
    has_body_tokens = True

    def __init__(self, translating: Translating, gate: Gate, jobs: Jobs, max_file_bytes: int) -> None:
        self._translating = translating
        self._gate = gate
        self._jobs = jobs
        self._max_file_bytes = max_file_bytes

    def routes(self) -> list[Route]:
        """The routes of all methods."""
        most = self._translating.limits.max_message_bytes
        endpoint = self._gate.endpoint
        return [
            Route("/translate", endpoint(self, "translate", self.translate, most), methods=["POST"]),
            Route("/detect", endpoint(self, "detect", self.detect, most), methods=["POST"]),
            Route(
                "/translate_file",
                endpoint(self, "translate_file", self.translate_file, self._max_file_bytes),
                methods=["POST"],
            ),
            Route("/languages", self.languages, methods=["GET", "POST"]),
            Route("/frontend/settings", self.settings, methods=["GET"]),
            Route("/spec", self.spec, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/suggest", endpoint(self, "suggest", self.suggest, most), methods=["POST"]),
            Route("/download_file/{name}", self.download, methods=["GET"]),
        ]

    def present(self, request: Request, body: Body | None) -> str:
        """The field api_key, or a bearer token."""
        if body is not None:
            return body.text("api_key")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else request.query_params.get("api_key", "")

    def write_fault(self, fault: Fault, status: int) -> Response:
        """LibreTranslate has no 401 and no 404 for languages."""
        message = "Invalid API key" if status == 401 else fault.message
        return JSONResponse({"error": message}, {401: 403, 404: 400}.get(status, status))

    async def translate(self, visit: Visit) -> Response:
        """POST /translate, with the fields in the body or the address."""
        body = visit.body
        is_batch = isinstance(body.values.get("q"), list) and not body.is_form
        texts = body.texts("q") if is_batch else [body.text("q")]
        if not any(texts):
            raise InvalidInputError("Invalid request: missing q parameter")
        if body.is_form:
            texts = [text.replace("\r\n", "\n") for text in texts]
        order = self._read_order(body)
        visit.count(texts)
        with self._translating.open(order, field="q") as session:
            outcomes = await session.translate(texts, visit.call)
            visit.call.model = session.model[0]
        translated = [_check(place, outcome) for place, outcome in enumerate(outcomes)]
        answer: dict[str, Any] = {"translatedText": [one.translation.text for one in translated]}
        if order.source_language == AUTO:
            answer["detectedLanguage"] = await self._describe_sources(texts, translated, order)
        if body.number("alternatives"):
            answer["alternatives"] = [
                list(dict.fromkeys(h.text for h in one.translation.hypotheses if h.text != one.translation.text))
                for one in translated
            ]
        return JSONResponse(answer if is_batch else {name: values[0] for name, values in answer.items()})

    async def detect(self, visit: Visit) -> Response:
        """POST /detect. Of several texts the first one's languages, as LibreTranslate does."""
        texts = visit.body.texts("q")
        if not any(texts):
            raise InvalidInputError("Invalid request: missing q parameter")
        visit.count(texts[:1])
        (found,) = await self._translating.detect(texts[:1], DETECTED)
        if isinstance(found, TextFailure):
            raise InvalidInputError(f"q: {found.reason}")
        likely = [one for place, one in enumerate(found) if not place or one.confidence >= 0.01]
        return JSONResponse([_describe(one) for one in likely] or [{"confidence": 0.0, "language": "en"}])

    async def translate_file(self, visit: Visit) -> Response:
        """POST /translate_file."""
        order = self._read_order(visit.body)
        file = visit.body.file()
        job = await self._jobs.run(visit, order, file)
        base = str(visit.request.base_url).rstrip("/")
        return JSONResponse({"translatedFileUrl": f"{base}/download_file/{job.download_name}"})

    async def download(self, request: Request) -> Response:
        """GET /download_file/NAME; the name is the permission."""
        found = await self._jobs.find_by_name(request.path_params["name"])
        if found is None:
            return JSONResponse({"error": "Invalid filename"}, 404)
        name, content = found
        return Response(content, media_type="application/octet-stream", headers=offer_download(name))

    async def languages(self, _: Request) -> Response:
        """GET /languages, and POST as argostranslate's client sends it."""
        targets = self._targets()
        codes = sorted(set(targets) | {target for found in targets.values() for target in found})
        return JSONResponse(
            [
                {"code": code, "name": name_of_language(code), "targets": sorted({*targets.get(code, ()), code})}
                for code in codes
            ]
        )

    async def settings(self, _: Request) -> Response:
        """GET /frontend/settings."""
        targets = self._targets()
        source = min(targets, default="en")
        needs_token = self._gate.admission.needs_token
        target = min(targets.get(source, ()), default="en")
        return JSONResponse(
            {
                "charLimit": self._translating.limits.max_text_length,
                "frontendTimeout": 500,
                "apiKeys": needs_token,
                "keyRequired": needs_token,
                "suggestions": False,
                "filesTranslation": True,
                "supportedFilesFormat": sorted({end for one in FORMATS.values() for end in one.extensions}),
                "language": {
                    "source": {"code": "auto", "name": "Auto Detect"},
                    "target": {"code": target, "name": name_of_language(target)},
                },
            }
        )

    async def spec(self, _: Request) -> Response:
        """GET /spec: the OpenAPI document."""
        return JSONResponse(describe_libretranslate())

    async def health(self, _: Request) -> Response:
        """GET /health."""
        return JSONResponse({"status": "ok"}) if self._targets() else JSONResponse({"status": "unavailable"}, 503)

    async def suggest(self, _: Visit) -> Response:
        """POST /suggest, which this server has no use for."""
        return JSONResponse({"error": "Suggestions are disabled on this server."}, 403)

    def _targets(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for direction in sorted(self._translating.directions(None)):
            found.setdefault(direction.source, []).append(direction.target)
        return found

    def _read_order(self, body: Body) -> TranslationOrder:
        for name in ("source", "target"):
            if not body.text(name):
                raise InvalidInputError(f"Invalid request: missing {name} parameter")
        text_format = body.text("format") or "text"
        if text_format not in ("text", "html"):
            raise InvalidInputError(f"{text_format} format is not supported")
        num_alternatives = body.number("alternatives", most=MAX_ALTERNATIVES)
        n_best = 1 if text_format == "html" else num_alternatives + 1
        return TranslationOrder(
            body.text("target"),
            AUTO if body.text("source") == "auto" else body.text("source"),
            options=SearchOptions(n_best=n_best, beam_size=max(SearchOptions().beam_size, n_best)),
            text_format="html" if text_format == "html" else "plain",
            protect=body.flag("protect", True),
            localize_figures=body.flag("localize_figures"),
        )

    async def _describe_sources(
        self, texts: Sequence[str], translated: Sequence[Translated], order: TranslationOrder
    ) -> list[dict[str, Any]]:
        """The language that each text was taken to be in, with the confidence of its detection."""
        found = await self._translating.detect(texts, ALL, order.text_format)
        served = {direction.source.split("-")[0] for direction in self._translating.directions(None)}
        return [
            _describe(Candidate(one.source_language, _confidence(candidates, one.source_language, served)))
            for one, candidates in zip(translated, found, strict=True)
        ]


def _confidence(found: list[Candidate] | TextFailure, language: str, served: Set[str]) -> float:
    """The share of a language among those that are served."""
    if isinstance(found, TextFailure):
        return 0.0
    shares = {one.language: one.confidence for one in found if one.language in served}
    return shares.get(language.split("-")[0], 0.0) / (sum(shares.values()) or 1.0)


def _describe(candidate: Candidate) -> dict[str, Any]:
    return {"confidence": round(100 * candidate.confidence, 1), "language": candidate.language}


def _check(place: int, outcome: Outcome) -> Translated:
    if isinstance(outcome, TextFailure):
        raise InvalidInputError(f"q[{place}]: {outcome.reason}")
    return outcome
