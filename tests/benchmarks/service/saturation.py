"""As many calls at once as keep all slots of a server busy, with as little work on the client's side as possible: the
processors are the server's as well."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from dragoman.v1 import translation_pb2 as pb

TEXTS_IN_FLIGHT = 512
"""Of all calls together; four times the slots of two threads."""

NUM_CHANNELS = 4

ITEMS_PER_MESSAGE = 64

_SERVICE = "/dragoman.v1.TranslationService"
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
)


async def saturate(address: str, texts: Sequence[str], to: str, texts_per_call: int) -> dict[str, Any]:
    """Seconds for all texts in calls of so many, and their translations in order. Messages are written before the time
    begins and read when it has ended."""
    parts = [texts[start : start + texts_per_call] for start in range(0, len(texts), texts_per_call)]
    requests = [pb.TranslateRequest(texts=part, target_language_code=to).SerializeToString() for part in parts]
    answers: list[bytes] = [b""] * len(requests)
    waiting = iter(range(len(requests)))
    channels = [grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in range(NUM_CHANNELS)]

    async def call_on(channel: grpc.aio.Channel) -> None:
        method: Any = channel.unary_unary(f"{_SERVICE}/Translate")  # bytes in, bytes out
        for index in waiting:
            answers[index] = await method(requests[index])

    started = time.perf_counter()
    num_callers = max(1, TEXTS_IN_FLIGHT // texts_per_call)
    await asyncio.gather(*(call_on(channels[index % NUM_CHANNELS]) for index in range(num_callers)))
    seconds = time.perf_counter() - started
    for channel in channels:
        await channel.close()
    responses = [pb.TranslateResponse.FromString(answer) for answer in answers]
    found = [item.hypotheses[0].text for response in responses for item in response.translations]
    return {"seconds": seconds, "texts": found}


async def saturate_streams(address: str, texts: Sequence[str], to: str, num_streams: int) -> dict[str, Any]:
    """The same by TranslateStream; each stream has its share of the texts, in messages as a client would send them that
    has all at hand."""
    config = pb.TranslateStreamConfig(target_language_code=to, priority=pb.PRIORITY_INTERACTIVE)
    first = pb.TranslateStreamRequest(config=config).SerializeToString()
    items = [pb.TranslateStreamItem(id=index, text=text) for index, text in enumerate(texts)]
    shares = [
        [
            pb.TranslateStreamRequest(
                items=pb.TranslateStreamItems(items=share[start : start + ITEMS_PER_MESSAGE])
            ).SerializeToString()
            for start in range(0, len(share), ITEMS_PER_MESSAGE)
        ]
        for share in (items[index::num_streams] for index in range(num_streams))
    ]
    channels = [grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in range(num_streams)]
    answers: list[bytes] = []

    async def send(share: Sequence[bytes]) -> AsyncIterator[bytes]:
        yield first
        for item in share:
            yield item

    async def stream_on(channel: grpc.aio.Channel, share: Sequence[bytes]) -> None:
        method: Any = channel.stream_stream(f"{_SERVICE}/TranslateStream")
        async for answer in method(send(share)):
            answers.append(answer)

    started = time.perf_counter()
    await asyncio.gather(*map(stream_on, channels, shares))
    seconds = time.perf_counter() - started
    for channel in channels:
        await channel.close()
    found = [""] * len(texts)
    for response in map(pb.TranslateStreamResponse.FromString, answers):
        for result in response.results:
            found[result.id] = result.translation.hypotheses[0].text
    return {"seconds": seconds, "texts": found}
