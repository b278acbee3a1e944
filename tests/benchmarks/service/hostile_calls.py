"""Calls that nobody sane makes, reproducible from a seed and a number."""

import importlib.util
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.message import Message

from dragoman.v1 import translation_pb2 as pb
from tests.benchmarks.service.hostile_messages import damage, fill, pick_metadata, random_bytes, unknown_field

Shape = Literal["unary_unary", "unary_stream", "stream_stream"]

SERVICE = "/dragoman.v1.TranslationService"
GOOGLE_SERVICE = "/google.cloud.translation.v3.TranslationService"
OPERATIONS = "/google.longrunning.Operations"

INPUT_FILE = "input.txt"
"""In the folder whose files the server may read."""


@dataclass(frozen=True, slots=True)
class HostileCall:
    """path: of the method. messages: as bytes; several for a stream alone. ends_sending: whether the client closes its
    side; otherwise it waits for its deadline. cancels: whether it gives up after the first answer. is_known: whether
    there is such a method."""

    path: str
    shape: Shape
    messages: tuple[bytes, ...]
    metadata: Sequence[tuple[str, str | bytes]] = ()
    ends_sending: bool = True
    cancels: bool = False
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Method:
    """make: a message that the server would take."""

    path: str
    shape: Shape
    make: Callable[[], Message]


def _languages() -> dict[str, Any]:
    return {"source_language_code": "en", "target_language_code": "de"}


METHODS: tuple[Method, ...] = (
    Method(
        f"{SERVICE}/Translate",
        "unary_unary",
        lambda: pb.TranslateRequest(texts=["A house.", "Two trees."], **_languages()),
    ),
    Method(
        f"{SERVICE}/TranslateLive", "unary_stream", lambda: pb.TranslateLiveRequest(text="A house.", **_languages())
    ),
    Method(
        f"{SERVICE}/Score",
        "unary_unary",
        lambda: pb.ScoreRequest(pairs=[pb.TextPair(source="A house.", target="Ein Haus.")], **_languages()),
    ),
    Method(f"{SERVICE}/DetectLanguage", "unary_unary", lambda: pb.DetectLanguageRequest(texts=["A house."])),
    Method(f"{SERVICE}/ListModels", "unary_unary", pb.ListModelsRequest),
    Method(f"{SERVICE}/GetModel", "unary_unary", lambda: pb.GetModelRequest(name="en-de")),
    Method(f"{SERVICE}/GetServer", "unary_unary", pb.GetServerRequest),
    Method(
        f"{SERVICE}/Translate",
        "unary_unary",
        lambda: pb.TranslateRequest(
            texts=["<p>A <b>house</b>.</p>", "<i>Ein Haus"],
            source_language_code="auto",
            target_language_code="de-DE",
            text_format=pb.TEXT_FORMAT_HTML,
        ),
    ),
)

UNKNOWN_PATHS = (f"{SERVICE}/Nothing", f"{SERVICE}/", "/", "/a/b/c", "/dragoman.v2.TranslationService/Translate")


def has_google() -> bool:
    """Whether Google's message classes are installed."""
    return importlib.util.find_spec("google.cloud") is not None and (
        importlib.util.find_spec("google.cloud.translate_v3") is not None
    )


def google_methods() -> tuple[Method, ...]:
    """Those of google.cloud.translation.v3; needs its package."""
    from google.cloud import translate_v3 as google
    from google.longrunning import operations_pb2  # type: ignore[import-untyped]

    parent = "projects/p/locations/global"
    operation = f"{parent}/operations/1"
    return (
        Method(
            f"{GOOGLE_SERVICE}/TranslateText",
            "unary_unary",
            lambda: google.TranslateTextRequest.pb(
                google.TranslateTextRequest(
                    contents=["A <b>house</b>."],
                    parent=parent,
                    mime_type="text/html",
                    source_language_code="en",
                    target_language_code="de",
                )
            ),
        ),
        Method(
            f"{GOOGLE_SERVICE}/DetectLanguage",
            "unary_unary",
            lambda: google.DetectLanguageRequest.pb(google.DetectLanguageRequest(content="A house.", parent=parent)),
        ),
        Method(
            f"{GOOGLE_SERVICE}/GetSupportedLanguages",
            "unary_unary",
            lambda: google.GetSupportedLanguagesRequest.pb(google.GetSupportedLanguagesRequest(parent=parent)),
        ),
        Method(
            f"{GOOGLE_SERVICE}/BatchTranslateText",
            "unary_unary",
            lambda: google.BatchTranslateTextRequest.pb(
                google.BatchTranslateTextRequest(parent=parent, source_language_code="en", target_language_codes=["de"])
            ),
        ),
        Method(
            f"{OPERATIONS}/ListOperations",
            "unary_unary",
            lambda: operations_pb2.ListOperationsRequest(name=parent),
        ),
        Method(
            f"{OPERATIONS}/GetOperation",
            "unary_unary",
            lambda: operations_pb2.GetOperationRequest(name=operation),
        ),
        Method(
            f"{OPERATIONS}/CancelOperation",
            "unary_unary",
            lambda: operations_pb2.CancelOperationRequest(name=operation),
        ),
    )


def make_call(seed: int, number: int, methods: Sequence[Method] = METHODS) -> HostileCall:
    """The call of that number, the same every time."""
    draw = random.Random(f"{seed}:{number}")
    chance = draw.random()
    if chance < 0.03:
        shape: Shape = draw.choice(("unary_unary", "unary_stream"))
        return HostileCall(draw.choice(UNKNOWN_PATHS), shape, (random_bytes(draw),), is_known=False)
    if chance < 0.2:
        return _stream_call(draw)
    method = draw.choice(methods)
    message = _message(method.make(), draw)
    cancels = method.shape == "unary_stream" and draw.random() < 0.1
    return HostileCall(method.path, method.shape, (message,), pick_metadata(draw), cancels=cancels)


def _message(valid: Message, draw: random.Random) -> bytes:
    chance = draw.random()
    if chance < 0.15:
        return random_bytes(draw)
    if chance < 0.35:
        return damage(valid.SerializeToString(), draw)
    if chance < 0.5:  # nothing but hostile values
        valid = type(valid)()
    fill(valid, draw, num_fields=draw.randint(0, 3))
    return valid.SerializeToString() + (unknown_field(draw) if draw.random() < 0.1 else b"")


def _stream_call(draw: random.Random) -> HostileCall:
    """A TranslateStream whose messages come in any order, and which may end anyhow."""
    config = pb.TranslateStreamConfig(**_languages())
    if draw.random() < 0.4:
        fill(config, draw, num_fields=draw.randint(1, 3))
    first = pb.TranslateStreamRequest(config=config).SerializeToString()
    items = []
    for _ in range(draw.choice((0, 1, 3, 30))):
        item = pb.TranslateStreamItem(id=draw.choice((0, 0, 1, -1, 2**63 - 1)), text="A house.")
        fill(item, draw, num_fields=draw.randint(0, 2))
        texts = pb.TranslateStreamItems(items=[item] * draw.choice((1, 1, 2, 20)))
        items.append(pb.TranslateStreamRequest(items=texts).SerializeToString())
    messages = [first, *items]
    match draw.randrange(8):
        case 0:
            messages = items  # no configuration
        case 1:
            messages.insert(draw.randint(0, len(messages)), first)  # two of them
        case 2:
            messages.insert(draw.randint(0, len(messages)), b"")  # neither
        case 3:
            messages.insert(draw.randint(0, len(messages)), random_bytes(draw))
        case 4:
            draw.shuffle(messages)
        case 5:
            messages = [damage(message, draw) for message in messages]
        case _:
            pass
    return HostileCall(
        f"{SERVICE}/TranslateStream",
        "stream_stream",
        tuple(messages),
        pick_metadata(draw),
        ends_sending=draw.random() > 0.02,
        cancels=draw.random() < 0.05,
    )
