"""The application of the HTTP port: the routes of its APIs, and what all answers have."""

import asyncio
from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dragoman.server.access.admission import Admission
from dragoman.server.config import ServerConfig
from dragoman.server.contract.methods import Methods
from dragoman.server.http import attention, documents
from dragoman.server.http.contract import ContractApi
from dragoman.server.http.deepl import DeepL
from dragoman.server.http.gate import Gate
from dragoman.server.http.jobs import Jobs
from dragoman.server.http.libretranslate import LibreTranslate
from dragoman.server.http.page.page import Page
from dragoman.server.telemetry import Monitor


def make_app(
    config: ServerConfig,
    methods: Methods,
    admission: Admission,
    monitor: Monitor,
    works: Callable[[], Mapping[str, bool]],
) -> Starlette:
    """The application; `state.open` and `state.close` bracket its life. works: by name of model, whether it
    translates."""
    gate = Gate(admission, monitor)
    contract = ContractApi(methods, gate, attention.PATHS | documents.PATHS)
    translating = methods.translating
    jobs = Jobs(config.http.files, translating, config.http.keep_seconds)

    async def is_alive(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def is_ready(_: Request) -> Response:
        is_working = any(works().values())
        return PlainTextResponse("ok\n" if is_working else "no model works\n", 200 if is_working else 503)

    async def metrics(request: Request) -> Response:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        if admission.needs_token and admission.find(token) is None:
            return PlainTextResponse("a known token is required\n", 401)
        return Response(await asyncio.to_thread(monitor.scrape), media_type=CONTENT_TYPE_LATEST)

    async def not_found(request: Request, _: Exception) -> Response:
        return JSONResponse({"error": f"there is no {request.url.path}"}, 404)

    async def not_allowed(request: Request, _: Exception) -> Response:
        return JSONResponse({"error": f"{request.url.path} does not take {request.method}"}, 405)

    origins = list(config.http.cors_origins)
    app = Starlette(
        routes=[
            Route("/healthz", is_alive, methods=["GET"]),
            Route("/readyz", is_ready, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            *Page(translating, gate).routes(),
            *contract.routes(),
            *attention.AttentionApi(methods.explaining, gate, contract, config.limits.max_message_bytes).routes(),
            *documents.DocumentsApi(jobs, gate, contract, config.http.max_file_bytes).routes(),
            *LibreTranslate(translating, gate, jobs, config.http.max_file_bytes).routes(),
            *DeepL(translating, gate, jobs, config.http.max_file_bytes).routes(),
        ],
        middleware=[Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])]
        if origins
        else [],
        exception_handlers={404: not_found, 405: not_allowed},
    )
    app.state.open = jobs.open
    app.state.close = jobs.close
    return app
