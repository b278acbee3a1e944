"""Messages that nobody sane sends: random bytes, damaged messages, valid ones with hostile values."""

import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_FLOATS = (
    float("nan"), float("inf"), float("-inf"), -0.0, 0.0, 1.0, -1.0, 0.5, 10.0, 100.0, 1e308, -1e308, 5e-324, 1e-12,
)  # fmt: skip

_INTEGERS = (0, 1, -1, 2, 3, 4, 32, 33, 255, 256, 1024, 65_536, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))

_STRINGS = (
    "",
    " ",
    "\x00",
    "\n\n\n",
    "en",
    "de",
    "xx",
    "EN",
    "en-de",
    "en\x00de",
    "../../etc/passwd",
    "file:///etc/passwd",
    "projects/p/locations/global/operations/../1",
    "A sentence like any other.",
    "<b>tags</b> & entities &#0; &amp;",
    "\u202e\u200f\u2066right to left\u2069",
    "\ufeff\ufffe\uffff",
    "e\u0301" * 50,
    "👩‍👩‍👧‍👦" * 10,
    "\U0010ffff\U000e0001",
    "▁▁▁",
    "▁house",
    "<s></s><pad><unk>",
    "2de",
    "%s%n%x{0}$HOME`id`",
    "' OR 1=1 --",
    "\r\nHost: elsewhere",
    "." * 500,
)

_GIANT = ("a" * 3000, "word " * 200, "x" * 100_001, "One sentence. " * 1000, "\n" * 50_000, "é" * 200_000)
"""Rarely drawn: each takes the server a while, or is longer than it allows."""

_INTEGER_BOUNDS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}


def random_bytes(draw: random.Random) -> bytes:
    """Most often few."""
    return draw.randbytes(draw.choice((0, 1, 2, 5, 20, 100, 1000, 1000, 50_000)))


def damage(message: bytes, draw: random.Random) -> bytes:
    """A few bytes of it changed, left out or put in, or its end cut off; or with fields that nobody knows."""
    damaged = bytearray(message)
    for _ in range(draw.randint(1, 5)):
        place = draw.randint(0, len(damaged))
        match draw.randrange(5):
            case 0:
                damaged[place : place + 1] = draw.randbytes(1)
            case 1:
                del damaged[place : place + draw.randint(1, 5)]
            case 2:
                damaged[place:place] = draw.randbytes(draw.randint(1, 5))
            case 3:
                del damaged[place:]
            case _:
                damaged += unknown_field(draw)
    return bytes(damaged)


def unknown_field(draw: random.Random) -> bytes:
    """A well-formed field of a number that no message has."""
    key = _varint(draw.randrange(100, 100_000) << 3 | 2)
    content = draw.randbytes(draw.randint(0, 20))
    return key + _varint(len(content)) + content


def fill(message: Message, draw: random.Random, *, num_fields: int, depth: int = 3) -> None:
    """Sets that many randomly chosen fields to hostile values, nested messages likewise."""
    fields: Sequence[Any] = message.DESCRIPTOR.fields
    for field in draw.choices(fields, k=num_fields) if fields else ():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        if field.is_repeated:
            _fill_repeated(message, field, draw, depth)
        elif field.message_type is not None:
            if depth:
                nested = getattr(message, field.name)
                nested.SetInParent()
                fill(nested, draw, num_fields=draw.randint(0, 3), depth=depth - 1)
        else:
            setattr(message, field.name, _value(field, draw))


def _fill_repeated(message: Message, field: FieldDescriptor, draw: random.Random, depth: int) -> None:
    repeated = getattr(message, field.name)
    if draw.random() < 0.3:
        del repeated[:]
    num_items = draw.choice((0, 1, 1, 2, 3, 20)) if draw.random() < 0.999 else 2000
    if field.message_type is None:
        repeated.extend(_value(field, draw) for _ in range(num_items))
    elif depth:
        for _ in range(num_items):
            fill(repeated.add(), draw, num_fields=draw.randint(0, 3), depth=depth - 1)


def _value(field: FieldDescriptor, draw: random.Random) -> object:
    match field.type:
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
            return draw.choice(_FLOATS)
        case FieldDescriptor.TYPE_BOOL:
            return draw.random() < 0.5
        case FieldDescriptor.TYPE_STRING:
            return _string(draw)
        case FieldDescriptor.TYPE_BYTES:
            return draw.randbytes(draw.randint(0, 100))
        case FieldDescriptor.TYPE_ENUM:
            return draw.choice((0, 1, 2, 3, 99, -1, 2**31 - 1))  # open in proto3: unknown numbers are kept
        case kind:
            lowest, highest = _INTEGER_BOUNDS[kind]
            return min(max(draw.choice(_INTEGERS), lowest), highest)


def _string(draw: random.Random) -> str:
    chance = draw.random()
    if chance < 0.002:
        return draw.choice(_GIANT)
    if chance < 0.1:
        return "".join(chr(_scalar(draw)) for _ in range(draw.randint(1, 40)))
    return draw.choice(_STRINGS)


def _scalar(draw: random.Random) -> int:
    """A code point that is no surrogate."""
    point = draw.choice(
        (draw.randrange(0x20), draw.randrange(0x250), draw.randrange(0xD800), draw.randrange(0xE000, 0x110000))
    )
    return point


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def pick_metadata(draw: random.Random) -> Sequence[tuple[str, str | bytes]]:
    """Most often none. What gRPC itself refuses to send is not among it."""
    if draw.random() < 0.8:
        return ()
    return draw.choice(
        (
            (("authorization", "Bearer wrong"),),
            (("authorization", ""),),
            (("authorization", "Basic dXNlcjpwYXNz"),),
            (("authorization", "Bearer " + "a" * 5000),),
            (("authorization", "Bearer one"), ("authorization", "Bearer two")),
            (("x-request-id", "r" * 3000),),
            (("x-request-id", '"}{\\"level\\":\\"error\\"'),),
            (("x-request-id", ""), ("x-request-id", "2")),
            (("x-request-id-bin", draw.randbytes(50)),),
            (("traceparent", "00-00000000000000000000000000000000-0000000000000000-ff"),),
            (("traceparent", "~!"),),
            (("grpc-previous-rpc-attempts", "-1"),),
            (("x-goog-request-params", "parent=projects/" + "x" * 1000),),
            tuple((f"x-{number}", "v") for number in range(60)),
            (("x-large", "v" * 40_000),),
        )
    )
