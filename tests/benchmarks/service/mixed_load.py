"""Many clients at once that make calls of every kind, one after the other, and check every answer."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any, TypeAlias

import grpc

from dragoman.v1 import translation_pb2 as pb
from dragoman.v1 import translation_pb2_grpc
from tests.benchmarks.service.reference import LIVE_SEARCH, SEARCHES, Expected, ExpectedScore, Reference, same_score
from tests.benchmarks.service.tally import CallEnd, Tally

PATIENCE = 600.0
"""Seconds: a call that is not answered by then is lost."""

CLIENTS_PER_STREAM_CHANNEL = 40

RETRY_HINT = "grpc-retry-pushback-ms"

CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # or all channels of a process would share a connection
    ("grpc.max_receive_message_length", -1),
)

SHARES: Mapping[str, int] = {
    "translate": 40,
    "stream": 10,
    "live": 15,
    "score": 10,
    "detect": 5,
    "cancel": 8,
    "deadline": 7,
    "malformed": 5,
}
"""Of a hundred calls."""

Stub: TypeAlias = Any  # the generated one has no types


class AnswerError(Exception):
    """An answer is not what it should be; the first argument is the end that the call counts as."""

    def __init__(self, end: str, detail: str) -> None:
        super().__init__(f"{end}: {detail}")
        self.end = end
        self.detail = detail


class MixedLoad:
    """Runs clients for a while. references: by revision of the weights, since these may be replaced meanwhile."""

    def __init__(self, references: Sequence[Reference], *, seed: int, keep_ends: bool = False) -> None:
        self.tally = Tally()
        self._references = {reference.revision: reference for reference in references}
        self._questions = references[0]
        self._groups = list(references[0].translations)
        self._answers = {
            (revision, group): {item.text: item for item in items}
            for revision, reference in self._references.items()
            for group, items in reference.translations.items()
        }
        self._seed = seed
        self._keep_ends = keep_ends
        self._counting = threading.Lock()
        self._makers: dict[str, Callable[[Stub, random.Random], Awaitable[str]]] = {
            "translate": self._translate,
            "stream": self._stream,
            "live": self._live,
            "score": self._score,
            "detect": self._detect,
            "cancel": self._cancel,
            "deadline": self._deadline,
            "malformed": self._malformed,
        }

    async def run(self, address: str, *, num_clients: int, num_channels: int, seconds: float) -> None:
        """Clients share the channels, each of which is a connection of its own."""
        ends_at = time.monotonic() + seconds
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.connected(address, num_clients))
            stubs: list[Stub] = []
            for _ in range(num_channels):
                channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
                await stack.enter_async_context(channel)
                stubs.append(translation_pb2_grpc.TranslationServiceStub(channel))
            async with asyncio.TaskGroup() as clients:
                for index in range(num_clients):
                    clients.create_task(self._client(stubs[index % num_channels], f"{self._seed}:{index}", ends_at))

    @asynccontextmanager
    async def connected(self, address: str, num_clients: int) -> AsyncIterator[None]:
        """Threads and connections for streams, which `outcome` needs, for so many clients."""
        with ExitStack() as stack:
            self._threads = stack.enter_context(ThreadPoolExecutor(num_clients))
            channels = [
                stack.enter_context(grpc.insecure_channel(address, options=CHANNEL_OPTIONS))
                for _ in range(1 + num_clients // CLIENTS_PER_STREAM_CHANNEL)
            ]
            self._stream_stubs = [translation_pb2_grpc.TranslationServiceStub(channel) for channel in channels]
            yield

    async def _client(self, stub: Stub, seed: str, ends_at: float) -> None:
        draw = random.Random(seed)
        await asyncio.sleep(draw.uniform(0, 1))  # people do not come all at once
        while time.monotonic() < ends_at:
            kind = draw.choices(list(SHARES), list(SHARES.values()))[0]
            started = time.monotonic()
            end, detail, wait = await self.outcome(kind, stub, draw)
            self.tally.add(CallEnd(kind, end, started, time.monotonic()), detail, keep=self._keep_ends)
            if wait:
                await asyncio.sleep(wait)

    async def outcome(self, kind: str, stub: Stub, draw: random.Random) -> tuple[str, str, float]:
        """How a call ended, what there is to tell of it, and seconds to wait before the next one."""
        try:
            return await asyncio.wait_for(self._makers[kind](stub, draw), PATIENCE + 30), "", 0.0
        except AnswerError as error:
            return error.end, error.detail, 0.0
        except TimeoutError:
            return "lost", "it hung", 0.0
        except grpc.RpcError as error:
            return _end_of(kind, error)

    async def _translate(self, stub: Stub, draw: random.Random, **call: Any) -> str:
        items, request = self._request(draw, draw.choice((1, 1, 1, 2, 4, 8, 16)))
        response = await stub.Translate(request, **{"timeout": PATIENCE, **call})
        if len(response.translations) != len(items):
            end = "doubled" if len(response.translations) > len(items) else "lost"
            raise AnswerError(end, f"{len(response.translations)} translations of {len(items)} texts")
        for item, translation in zip(items, response.translations, strict=True):
            self._check(item, translation, response.revision)
        return "right"

    async def _stream(self, stub: Stub, draw: random.Random) -> str:
        """On a thread, because grpc.aio's client takes its own failure to send to a stream that has ended for its
        status."""
        blocking = draw.choice(self._stream_stubs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._stream_on, blocking, draw)

    def _stream_on(self, stub: Stub, draw: random.Random) -> str:
        items, request = self._request(draw, draw.choice((3, 10, 40)))
        ids = draw.sample(range(-(2**60), 2**60), len(items))
        waiting = dict(zip(ids, items, strict=True))
        revision = None
        requests = _stream_requests(request, list(zip(ids, items, strict=True)), draw.choice((1, 4, 64)))
        for response in stub.TranslateStream(requests, timeout=PATIENCE):
            if revision is None:
                revision = response.started.revision
                continue
            for result in response.results:
                item = waiting.pop(result.id, None)
                if item is None:
                    raise AnswerError("doubled" if result.id in ids else "wrong", f"a result of the id {result.id}")
                self._check(item, result.translation, revision)
        if waiting:
            raise AnswerError("lost", f"{len(waiting)} of {len(items)} items of a stream")
        return "right"

    async def _live(self, stub: Stub, draw: random.Random) -> str:
        (item,), request = self._request(draw, 1, LIVE_SEARCH)
        live = pb.TranslateLiveRequest(
            text=item.text,
            source_language_code=request.source_language_code,
            target_language_code=request.target_language_code,
            search_options=request.search_options,
        )
        stable, revision, translation = "", "", None
        async for response in stub.TranslateLive(live, timeout=PATIENCE):
            if translation is not None:
                raise AnswerError("doubled", "a response behind the last")
            revision = revision or response.started.revision
            if response.HasField("translation"):
                translation = response.translation
            elif not response.stable_text.startswith(stable):
                raise AnswerError("wrong", f"what was stable has changed: {stable!r}, {response.stable_text!r}")
            else:
                stable = response.stable_text
        if translation is None:
            raise AnswerError("lost", "a live translation without an end")
        self._check(item, translation, revision)
        if not translation.hypotheses[0].text.startswith(stable):
            raise AnswerError("wrong", f"{stable!r} was stable of {translation.hypotheses[0].text!r}")
        return "right"

    async def _score(self, stub: Stub, draw: random.Random) -> str:
        first = draw.choice(self._questions.scores)
        fitting = [
            pair
            for pair in draw.sample(self._questions.scores, min(20, len(self._questions.scores)))
            if pair.target_language == first.target_language
        ]
        request = pb.ScoreRequest(
            pairs=[pb.TextPair(source=pair.source, target=pair.target) for pair in fitting],
            source_language_code=first.source_language,
            target_language_code=first.target_language,
        )
        response = await stub.Score(request, timeout=PATIENCE)
        expected = _scores_of(self._references.get(response.revision), fitting)
        if len(response.scores) != len(fitting):
            raise AnswerError("lost", f"{len(response.scores)} scores of {len(fitting)} pairs")
        for pair, found in zip(expected, response.scores, strict=True):
            if found.HasField("error") or not same_score(pair.score, found.score):
                raise AnswerError("wrong", f"{found} instead of {pair}")
        return "right"

    async def _detect(self, stub: Stub, draw: random.Random) -> str:
        languages = self._questions.languages
        texts = draw.sample(list(languages), min(draw.choice((1, 5, 20)), len(languages)))
        response = await stub.DetectLanguage(pb.DetectLanguageRequest(texts=texts), timeout=PATIENCE)
        found = [item.candidates[0].language_code if item.candidates else "" for item in response.detections]
        if found != [languages[text] for text in texts]:
            raise AnswerError("wrong", f"{found} of {texts}")
        return "right"

    async def _cancel(self, stub: Stub, draw: random.Random) -> str:
        seconds = draw.choice((0.0, 0.01, 0.1, 0.5))
        items, request = self._request(draw, 16)
        call: Any
        if draw.random() < 0.5:
            call = stub.Translate(request, timeout=PATIENCE)
        else:
            call = stub.TranslateStream(_stream_requests(request, list(enumerate(items)), 1), timeout=PATIENCE)
        await asyncio.sleep(seconds)
        call.cancel()
        await call.code()  # it has ended
        return "cancelled"

    async def _deadline(self, stub: Stub, draw: random.Random) -> str:
        return await self._translate(stub, draw, timeout=draw.choice((0.001, 0.01, 0.05, 0.3)))

    async def _malformed(self, stub: Stub, draw: random.Random) -> str:
        _, request = self._request(draw, 1)
        match draw.randrange(5):
            case 0:
                request.target_language_code = "xx"
            case 1:
                request.search_options.beam_size = -1
            case 2:
                request.model = "no such model"
            case 3:
                request.search_options.length_penalty = float("nan")
            case _:
                request.target_language_code = ""
        await stub.Translate(request, timeout=PATIENCE)
        raise AnswerError("wrong", f"a malformed call was answered: {request}")

    def _request(
        self, draw: random.Random, num_texts: int, only_search: str = ""
    ) -> tuple[list[Expected], pb.TranslateRequest]:
        group = draw.choice([group for group in self._groups if only_search in ("", group[2])])
        source_language, target_language, search = group
        choice = self._questions.translations[group]
        items = draw.sample(choice, min(num_texts, len(choice)))
        request = pb.TranslateRequest(
            texts=[item.text for item in items],
            source_language_code=source_language,
            target_language_code=target_language,
            search_options=pb.SearchOptions(**SEARCHES[search]),
        )
        return items, request

    def _check(self, item: Expected, translation: pb.Translation, revision: str) -> None:
        answers = self._answers.get((revision, (item.source_language, item.target_language, item.search)))
        if answers is None:
            raise AnswerError("wrong", f"translated by weights of unknown revision {revision!r}")
        expected = answers[item.text]
        texts = [hypothesis.text for hypothesis in translation.hypotheses]
        if not expected.fits(texts, [hypothesis.score for hypothesis in translation.hypotheses]):
            raise AnswerError("wrong", f"{texts} instead of {expected}; {translation.error}")
        with self._counting:
            self.tally.num_texts += 1


def _end_of(kind: str, error: Any) -> tuple[str, str, float]:
    code, detail = error.code(), f"{error.code().name} {error.details()}"
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        hint = dict(error.trailing_metadata() or ()).get(RETRY_HINT)
        if hint is None:
            return "refused without a hint", detail, 1.0
        return "refused", "", float(hint) / 1000
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ("timed out" if kind == "deadline" else "lost"), detail, 0.0
    if kind == "malformed" and code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
        return "rejected", "", 0.0
    return code.name, detail, 0.5 if code is grpc.StatusCode.UNAVAILABLE else 0.0


def _stream_requests(
    request: pb.TranslateRequest, items: Sequence[Any], group_size: int
) -> Iterator[pb.TranslateStreamRequest]:
    yield pb.TranslateStreamRequest(
        config=pb.TranslateStreamConfig(
            source_language_code=request.source_language_code,
            target_language_code=request.target_language_code,
            search_options=request.search_options,
        )
    )
    for start in range(0, len(items), group_size):
        group = items[start : start + group_size]
        yield pb.TranslateStreamRequest(
            items=pb.TranslateStreamItems(
                items=[pb.TranslateStreamItem(id=number, text=item.text) for number, item in group]
            )
        )


def _scores_of(reference: Reference | None, pairs: Sequence[ExpectedScore]) -> list[ExpectedScore]:
    """What the pairs' scores are by the weights that scored."""
    if reference is None:
        raise AnswerError("wrong", "scored by weights of unknown revision")
    found = {_task_of(pair): pair for pair in reference.scores}
    return [found[_task_of(pair)] for pair in pairs]


def _task_of(pair: ExpectedScore) -> tuple[str, str, str, str]:
    """Made-up texts are the same ones in both directions."""
    return pair.source_language, pair.target_language, pair.source, pair.target
