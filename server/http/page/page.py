"""The page at /, its files, and its plain form for browsers without JavaScript."""

import asyncio
import hashlib
from html import escape
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dragoman.model.errors import InvalidInputError, NotFoundError
from dragoman.server.http.bodies import Body
from dragoman.server.http.gate import Gate, Visit
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.faults import Fault
from dragoman.server.translating.orders import AUTO, TranslationOrder
from dragoman.server.translating.translating import Translating
from dragoman.translation.languages import name_of_language, primary_subtag

STATIC = Path(__file__).parent / "static"

MEDIA_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

FIRST_MODULES = sorted({path.stem for path in STATIC.glob("*.js")} - {"main", "theme"})
"""Modules that the page needs at once: a browser that loads them side by side paints sooner."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types dragoman-paste"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of the page and its files."""

RIGHT_TO_LEFT = frozenset(("ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"))


def direction_of(language: str) -> str:
    """The direction of a language's script, as HTML names it."""
    if not language or language == AUTO:
        return "auto"
    return "rtl" if primary_subtag(language) in RIGHT_TO_LEFT else "ltr"


class Page:
    """The page. As an API of the gate its errors are the page with a sentence in it."""

    name = "page"
    has_body_tokens = True

    def __init__(self, translating: Translating, gate: Gate) -> None:
        self._translating = translating
        self._gate = gate
        self._warming: asyncio.Task[object] | None = None
        self._template = Template((STATIC / "index.html").read_text("utf-8"))
        self._files = {
            path.relative_to(STATIC).as_posix(): _StaticFile(path.read_bytes(), MEDIA_TYPES[path.suffix])
            for path in sorted(STATIC.rglob("*"))
            if path.suffix in MEDIA_TYPES and path.name != "index.html"
        }

    def routes(self) -> list[Route]:
        """The routes of the page."""
        most = self._translating.limits.max_message_bytes
        return [
            Route("/", self.show, methods=["GET"]),
            Route("/", self._gate.endpoint(self, "translate", self.translate, most), methods=["POST"]),
            Route("/page/{name:path}", self.file, methods=["GET"]),
        ]

    def present(self, request: Request, body: Body | None) -> str:
        """The field of the plain form."""
        return "" if body is None else body.text("token")

    def write_fault(self, fault: Fault, status: int) -> Response:
        """The page with the fault in words."""
        words = {
            401: "This server wants an access token that it knows.",
            413: "The text is too long for this server.",
            429: "The server has too much to do, or your quota is used up. Try again later.",
            503: "The server is busy or restarts. Try again soon.",
        }
        return self._write(notice=words.get(status, f"{fault.message}."), status=status)

    async def show(self, request: Request) -> Response:
        """GET /, perhaps with ?text=…&source=…&target=…, which fill in the form."""
        if self._warming is None:  # the first detection reads a model, which takes longer than a keystroke may
            self._warming = asyncio.create_task(self._translating.detect(["a"], 1))
        given = request.query_params
        return self._write(given.get("text", ""), given.get("source", AUTO), given.get("target", ""))

    async def file(self, request: Request) -> Response:
        """GET /page/FILE."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("there is no such file\n", 404, HEADERS)
        headers = HEADERS | {"cache-control": "no-cache", "etag": found.etag}
        if request.headers.get("if-none-match") == found.etag:
            return Response(None, 304, headers)
        return Response(found.content, 200, headers, found.media_type)

    async def translate(self, visit: Visit) -> Response:
        """POST /: the plain form."""
        body = visit.body
        text, source, target = body.text("text").replace("\r\n", "\n"), body.text("source") or AUTO, body.text("target")
        if not text.strip():
            return self._write(text, source, target, notice="There is no text to translate.")
        visit.count([text])
        try:
            with self._translating.open(TranslationOrder(target, source), field="text") as session:
                (outcome,) = await session.translate([text], visit.call)
                visit.call.model = session.model[0]
        except (InvalidInputError, NotFoundError) as error:  # with the text, which would otherwise be gone
            status = 404 if isinstance(error, NotFoundError) else 400
            return self._write(text, source, target, notice=f"{error}.", status=status)
        if isinstance(outcome, TextFailure):
            return self._write(text, source, target, notice=f"{outcome.reason}.", status=400)
        notice = f"The text is in {name_of_language(outcome.source_language)}." if outcome.is_detected else ""
        return self._write(text, source, target, translation=outcome.translation.text, notice=notice)

    def _write(
        self,
        text: str = "",
        source: str = AUTO,
        target: str = "",
        *,
        translation: str = "",
        notice: str = "",
        status: int = 200,
    ) -> Response:
        directions = self._translating.directions(None)
        sources = sorted({direction.source for direction in directions}, key=name_of_language)
        targets = sorted({direction.target for direction in directions}, key=name_of_language)
        by_source = {one: sorted(d.target for d in directions if d.source == one) for one in sources}
        options = [_option(one, source, f' data-targets="{escape(" ".join(by_source[one]))}"') for one in sources]
        auto = f'<option value="{AUTO}"{" selected" * (source == AUTO)}>Detect the language</option>'
        if target not in targets:
            target = next(iter(targets), "")
        needs_token = self._gate.admission.needs_token
        content = self._template.substitute(
            preloads="\n".join(f'<link rel="modulepreload" href="/page/{name}.js">' for name in FIRST_MODULES),
            needs_token="true" if needs_token else "false",
            max_length=self._translating.limits.max_text_length,
            sources=auto + "".join(options),
            targets="".join(_option(one, target) for one in targets),
            text=escape(text),
            translation=escape(translation),
            language=escape(target),
            direction=direction_of(target),
            notice=escape(notice),
            token_field='<label class="field">Access token <input type="password" name="token"></label>'
            if needs_token
            else "",
        )
        return Response(content, status, HEADERS | {"cache-control": "no-store"}, "text/html")


class _StaticFile:
    def __init__(self, content: bytes, media_type: str) -> None:
        self.content = content
        self.media_type = media_type
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def _option(language: str, chosen: str, attributes: str = "") -> str:
    selected = " selected" if language == chosen else ""
    return f'<option value="{escape(language)}"{attributes}{selected}>{escape(name_of_language(language))}</option>'
