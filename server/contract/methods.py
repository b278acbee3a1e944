"""The contract's methods, from request to response, for any transport."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from dragoman.model.errors import InvalidInputError
from dragoman.server.call_context import CallContext
from dragoman.server.catalogue.catalogue import Catalogue
from dragoman.server.contract.answers import (
    check_size,
    write_direction,
    write_failure,
    write_glossary,
    write_model,
    write_outcomes,
    write_scores,
    write_server,
    write_usage,
)
from dragoman.server.contract.requests import Orders, read_order, read_score_order
from dragoman.server.contract.streaming import write_started
from dragoman.server.scheduling.worker import TextFailure
from dragoman.server.translating.explaining import Explaining
from dragoman.server.translating.orders import TranslationOrder
from dragoman.server.translating.translating import Translating
from dragoman.translation.terms.reading import write_table
from dragoman.v1 import translation_pb2 as pb

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000
"""Default and maximal number of models of a page."""

GLOSSARY_KINDS: dict[int, str] = {
    pb.GLOSSARY_FORMAT_TSV: "tsv",
    pb.GLOSSARY_FORMAT_CSV: "csv",
    pb.GLOSSARY_FORMAT_TBX: "tbx",
}

FEATURES = ("html", "language-detection", "terms")
"""Features beside the translation of plain text."""


class Methods:
    """The methods that translation.proto describes, except TranslateStream and TranslateCalls, which are
    `contract.streaming`'s and `contract.calls`'.

    They raise the errors of `Translating`, and TooLargeError for an answer that a message cannot hold.
    """

    def __init__(self, translating: Translating, catalogue: Catalogue, features: Sequence[str] = ()) -> None:
        """features: of the server, in addition to these methods'."""
        self.features = (*FEATURES, *features)
        self.translating = translating
        self.explaining = Explaining(catalogue)
        self._catalogue = catalogue
        self._limits = translating.limits
        self._orders = Orders()

    async def translate(self, request: pb.TranslateRequest, call: CallContext) -> pb.TranslateResponse:
        """Translate a batch."""
        order, texts = self._orders.read(request)
        return await self.translate_texts(order, texts, call)

    async def translate_texts(
        self, order: TranslationOrder, texts: Sequence[str], call: CallContext
    ) -> pb.TranslateResponse:
        """Translate the texts of a call, whose order is read."""
        with self.translating.open(order) as session:
            outcomes = await session.translate(texts, call)
            model, revision = session.model
            response = pb.TranslateResponse(
                translations=await write_outcomes(outcomes, session.order.wanted, names_models=not model),
                model=model,
                source_language_code=session.source_language,
                revision=revision,
            )
        return check_size(response, self._limits)

    async def translate_live(
        self, request: pb.TranslateLiveRequest, call: CallContext
    ) -> AsyncGenerator[pb.TranslateLiveResponse, None]:
        """Translate one text live; a slow reader gets only the newest state."""
        with self.translating.open(read_order(request)) as session:
            await session.borrow()
            response = pb.TranslateLiveResponse(started=write_started(session))
            async with aclosing(session.follow(request.text, call)) as progress:
                async for live in progress:
                    response.stable_text, response.unstable_text = live.stable_text, live.unstable_text
                    if live.outcome is not None:
                        wanted, names_models = session.order.wanted, not session.model[0]
                        (translation,) = await write_outcomes([live.outcome], wanted, names_models=names_models)
                        response.translation.CopyFrom(translation)
                    yield check_size(response, self._limits)
                    response = pb.TranslateLiveResponse()

    async def score(self, request: pb.ScoreRequest, call: CallContext) -> pb.ScoreResponse:
        """Score pairs, in the same queue as translations."""
        order = read_score_order(request)
        pairs = [(pair.source, pair.target) for pair in request.pairs]
        found = await self.translating.score(order, pairs, call)
        response = pb.ScoreResponse(
            scores=await write_scores(found.scores, order.wanted),
            model=found.model,
            source_language_code=found.source_language,
            revision=found.revision,
        )
        return check_size(response, self._limits)

    async def detect_language(self, request: pb.DetectLanguageRequest, _: CallContext) -> pb.DetectLanguageResponse:
        """Detect languages off the event loop."""
        response = pb.DetectLanguageResponse()
        for found in await self.translating.detect(request.texts, request.max_candidates):
            if isinstance(found, TextFailure):
                response.detections.add(error=write_failure(found))
            else:
                response.detections.add(
                    candidates=[pb.LanguageCandidate(language_code=c.language, confidence=c.confidence) for c in found]
                )
        return check_size(response, self._limits)

    async def create_glossary(self, request: pb.CreateGlossaryRequest, _: CallContext) -> pb.CreateGlossaryResponse:
        """Store a glossary, off the event loop."""
        if request.format not in GLOSSARY_KINDS:
            raise InvalidInputError(f"format: is {request.format}, which has no meaning")
        create, kind = self.translating.glossaries.create, GLOSSARY_KINDS[request.format]
        stored = await asyncio.to_thread(create, request.name, request.content, kind)
        return pb.CreateGlossaryResponse(glossary=write_glossary(stored))

    async def get_glossary(self, request: pb.GetGlossaryRequest, _: CallContext) -> pb.GetGlossaryResponse:
        """Return a glossary with its terms."""
        stored = self.translating.glossaries.get(request.name)
        content = await asyncio.to_thread(write_table, stored.glossary)
        response = pb.GetGlossaryResponse(glossary=write_glossary(stored), content=content.encode())
        return check_size(response, self._limits)

    async def list_glossaries(self, _: pb.ListGlossariesRequest, __: CallContext) -> pb.ListGlossariesResponse:
        """List the glossaries."""
        glossaries = [write_glossary(stored) for stored in self.translating.glossaries.list()]
        return pb.ListGlossariesResponse(glossaries=glossaries)

    async def delete_glossary(self, request: pb.DeleteGlossaryRequest, _: CallContext) -> pb.DeleteGlossaryResponse:
        """Delete a glossary, off the event loop."""
        await asyncio.to_thread(self.translating.glossaries.delete, request.name)
        return pb.DeleteGlossaryResponse()

    async def list_models(self, request: pb.ListModelsRequest, _: CallContext) -> pb.ListModelsResponse:
        """List the models, loaded or not."""
        if not 0 <= request.page_size <= MAX_PAGE_SIZE:
            raise InvalidInputError(f"page_size: is {request.page_size}, but must lie between 0 and {MAX_PAGE_SIZE}")
        models = self._catalogue.descriptions()
        names = [model.info.name for model in models]
        if request.page_token and request.page_token not in names:
            raise InvalidInputError("page_token: is unknown, or its models are no longer served: start again")
        begin = names.index(request.page_token) + 1 if request.page_token else 0
        end = begin + (request.page_size or PAGE_SIZE)
        pivoted = () if begin else sorted(self.translating.pivoted_directions())
        response = pb.ListModelsResponse(
            models=[write_model(model) for model in models[begin:end]],
            next_page_token=names[end - 1] if end < len(names) else "",
            pivoted_language_pairs=map(write_direction, pivoted),
        )
        return check_size(response, self._limits)

    async def get_model(self, request: pb.GetModelRequest, _: CallContext) -> pb.GetModelResponse:
        """Describe a model, loaded or not."""
        if not request.name:
            raise InvalidInputError("name: is empty; name one of the models that ListModels lists")
        model = self._catalogue.describe(request.name)
        response = pb.GetModelResponse(model=write_model(model, model.card))
        return check_size(response, self._limits)

    async def get_usage(self, _: pb.GetUsageRequest, call: CallContext) -> pb.GetUsageResponse:
        """What the caller has used."""
        return write_usage(call.allowance.usage())

    async def get_server(self, _: pb.GetServerRequest, __: CallContext) -> pb.GetServerResponse:
        """Describe the server; constant while it runs."""
        return write_server(self._limits, self.features)
