"""Hostile requests on real sockets: mutated valid ones, and bytes that are no HTTP.

    python -m tests.server.http.hostile HOST:PORT --number 100000 --seed 1

prints how often each status came, and the requests that got status 500, or no answer in time.
"""

import argparse
import asyncio
import copy
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

SECONDS = 120.0
"""Longest time for an answer."""

CONNECTIONS = 16

JSON_BODIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/translate", {"q": "a b", "source": "en", "target": "de", "format": "html", "alternatives": 2}),
    ("POST", "/translate", {"q": ["a b", "c"], "source": "auto", "target": "de"}),
    ("POST", "/detect", {"q": "Guten Morgen"}),
    ("POST", "/suggest", {"q": "a", "s": "b", "source": "en", "target": "de"}),
    ("POST", "/v2/translate", {"text": ["<p>a <b>b</b></p>"], "target_lang": "DE", "tag_handling": "html"}),
    (
        "POST",
        "/v2/translate",
        {
            "text": ["<x>a <y>b</y></x>"],
            "target_lang": "DE",
            "source_lang": "EN",
            "tag_handling": "xml",
            "ignore_tags": ["y"],
            "splitting_tags": "x,z",
            "outline_detection": False,
            "split_sentences": "nonewlines",
            "formality": "default",
            "glossary_id": "",
            "show_billed_characters": True,
        },
    ),
    ("POST", "/v2/document/ABC", {"document_key": "DEF"}),
    ("POST", "/v2/document/ABC/result", {"document_key": "DEF"}),
    (
        "POST",
        "/v2/glossaries",
        {"name": "g", "source_lang": "en", "target_lang": "de", "entries": "a\tb", "entries_format": "csv"},
    ),
    (
        "POST",
        "/v3/glossaries",
        {"name": "g", "dictionaries": [{"source_lang": "en", "target_lang": "de", "entries": "a"}]},
    ),
    ("PATCH", "/v3/glossaries/x", {"name": "h", "dictionaries": []}),
    ("PUT", "/v3/glossaries/x/dictionaries", {"source_lang": "en", "target_lang": "de", "entries": "a\tb"}),
    (
        "POST",
        "/v1/translate",
        {
            "texts": ["a b"],
            "targetLanguageCode": "de",
            "sourceLanguageCode": "en",
            "searchOptions": {
                "beamSize": 2,
                "nBest": 2,
                "lengthPenalty": 0.5,
                "targetPrefix": "c",
                "maxTargetLength": 9,
            },
            "returnOptions": {"pieces": True, "attention": True},
            "terms": [{"source": "a", "targets": ["b"]}],
            "textFormat": "TEXT_FORMAT_PLAIN",
        },
    ),
    ("POST", "/v1/score", {"pairs": [{"source": "a", "target": "b"}], "targetLanguageCode": "de"}),
    ("POST", "/v1/attention", {"source": "a", "target": "b", "targetLanguageCode": "de"}),
    ("POST", "/v1/detectLanguage", {"texts": ["a"], "maxCandidates": 3}),
    ("POST", "/v1/glossaries", {"name": "g", "content": "ZW4JZGUKYQliCg==", "format": "GLOSSARY_FORMAT_TSV"}),
    ("POST", "/v1/translateLive", {"text": "a b", "targetLanguageCode": "de"}),
    ("POST", "/v1/translateStream", {"config": {"targetLanguageCode": "de"}, "items": [{"id": 1, "text": "a"}]}),
)

PATHS = (
    *("/", "/languages", "/frontend/settings", "/spec", "/health", "/healthz", "/readyz", "/metrics"),
    *("/download_file/x", "/v1/models", "/v1/models/en-de", "/v1/glossaries", "/v1/usage", "/v1/server"),
    *("/v1/openapi.json", "/v2/languages?type=target", "/v2/usage", "/v2/glossaries", "/v3/glossaries", "/page.js"),
    *("/v2/glossary-language-pairs", "/v3/glossaries/x/entries?source_lang=en&target_lang=de"),
)

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY", "get")

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**31) - 1, 2**63, 10**400, 0.5, 1e308, float("nan"), float("inf")),
    *("", " ", "\x00", "\ud800", "\U0001f9e8", "\u202e\u200b\ufeff", "a" * 5000, "<" * 200, "</p>", "&#x110000;"),
    *("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<![CDATA[", "{{{", "%s%n", "../../etc/passwd", "-1", "1e9", "auto"),
    *([], {}, [[]], [None], {"": {}}, [{}] * 50, ["a"] * 2000, "en", "DE", "pt-BR", "e" * 300, "\r\nx: y"),
)

FILE_NAMES = (
    *("a.txt", "a.docx", "a.json", "a.html", "a.srt", "", "a.exe", "../a.po", 'a".txt', "\x00.txt", "a" * 300 + ".md"),
    *("a.xlsx", "a.pptx", "a.epub", "a.pdf", "a.odt", "a.xml", "a.xliff", "a.csv", "a.vtt", "a.properties", "a.yaml"),
)

FILE_CONTENTS = (
    *("a b.", '{"a": "b"}', "<p>a</p>", "PK\x03\x04", "", "1\n00:00:01,000 --> 00:00:02,000\na\n", "\x00", "a: [b"),
    *('<?xml version="1.0"?><a>b</a>', "<a><b></a>", "%PDF-1.4", 'msgid "a"\nmsgstr', "WEBVTT\n\n", "[" * 5000),
)

DEEP = (b"[" * 100_000, b'{"a":' * 50_000, b'{"q":' + b"[" * 5_000 + b"]" * 5_000 + b"}")

GARBAGE: tuple[bytes, ...] = (
    *(b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"),
    *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /%zz%00 HTTP/1.1\r\nhost: a\r\n\r\n"),
    *(
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 5000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ),
    b"POST /translate HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\nabc",
    b"POST /translate HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc",
    b"POST /translate HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
    b"POST /translate HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;"
    + b"x" * 50_000
    + b"\r\nabcde\r\n0\r\n\r\n",
    b"POST /translate HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}",
    b"POST /translate HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nless",
    b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: x\r\n\r\n",
    b"GET http://elsewhere/translate HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET / HTTP/1.1\nhost: a\n\n",
)


@dataclass
class Tally:
    """What became of requests. failed: those with status 500, or without an answer in time."""

    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[tuple[int, bytes]] = field(default_factory=list)

    def count(self, status: int, request: bytes) -> None:
        """status: 0 for a connection that was closed without an answer, -1 for one on which nothing came."""
        self.statuses[status] += 1
        if status in (500, -1):
            self.failed.append((status, request[:2000]))


def make_request(chance: random.Random) -> tuple[bytes, bool]:
    """A request, of which most are nearly right, and whether nothing follows it: a server may wait for more."""
    kind = chance.random()
    if kind < 0.05:
        garbage = chance.choice(GARBAGE)
        return mutate_bytes(chance, garbage) if chance.random() < 0.5 else garbage, True
    if kind < 0.25:
        path = chance.choice(PATHS)
        if chance.random() < 0.3:
            path += chance.choice(
                ("?", "/", "//", "%2e%2e/", "?type=%00", "?a=" + quote("\u202eä"), "\x7f", "?api_key=x")
            )
        return write_request(chance, chance.choice(VERBS), path, b"", "text/plain")
    verb, path, fields = chance.choice(JSON_BODIES)
    fields = mutate_fields(chance, fields)
    form = chance.random()
    if form < 0.6:
        body, media = json.dumps(fields).encode(), "application/json"
    elif form < 0.8:
        body, media = write_form(fields), "application/x-www-form-urlencoded"
    else:
        body, media = write_multipart(chance, fields), "multipart/form-data; boundary=b"
        path = chance.choice((path, "/translate_file", "/v2/document"))
    if chance.random() < 0.1:
        body = mutate_bytes(chance, body)
    if chance.random() < 0.002:
        body = chance.choice(DEEP)
    if chance.random() < 0.1:
        media = chance.choice(
            ("", "text/plain", "application/json; charset=utf-16", "multipart/form-data", "\xff", "a" * 500)
        )
    return write_request(chance, verb if chance.random() < 0.95 else chance.choice(VERBS), path, body, media)


def mutate_fields(chance: random.Random, fields: dict[str, Any]) -> dict[str, Any]:
    """Up to three changes, anywhere in the tree."""
    changed: dict[str, Any] = json.loads(json.dumps(fields))
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        place: Any = changed
        while True:
            keys: Sequence[Any] = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(place[key], dict | list) and place[key] and chance.random() < 0.6:
                place = place[key]
                continue
            if chance.random() < 0.2:
                del place[key]
            else:
                place[key] = copy.deepcopy(chance.choice(STRANGE))
            break
        if chance.random() < 0.1:
            changed[chance.choice(("nonsense", "", "__proto__", "q\x00"))] = copy.deepcopy(chance.choice(STRANGE))
    return changed


def write_form(fields: dict[str, Any]) -> bytes:
    """Fields as a form."""
    pairs = []
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            pairs.append((name, str(one).encode("utf-8", "surrogatepass")))
    return urlencode(pairs).encode()


def write_multipart(chance: random.Random, fields: dict[str, Any]) -> bytes:
    """Fields and mostly a file as a form."""
    line = '--b\r\ncontent-disposition: form-data; name="'
    parts = [f'{line}{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    if chance.random() < 0.9:
        name, content = chance.choice(FILE_NAMES), chance.choice(FILE_CONTENTS)
        parts.append(f'{line}file"; filename="{name}"\r\n\r\n{content}\r\n')
        languages = {"target": "de", "source": "en", "target_lang": "de"}
        parts += [f'{line}{name}"\r\n\r\n{value}\r\n' for name, value in languages.items()]
    end = chance.choice(("--b--\r\n", "--b--\r\n", "--b--\r\n", "--b", ""))
    return "".join((*parts, end)).encode("utf-8", "surrogatepass")


def write_request(chance: random.Random, verb: str, path: str, body: bytes, media: str) -> tuple[bytes, bool]:
    """See `make_request`; some of the headers are strange."""
    headers = [("host", "a"), ("content-type", media), ("content-length", str(len(body)))]
    headers.append(("connection", "close"))
    for name, values in (
        ("authorization", ("Bearer", "DeepL-Auth-Key x", "Bearer " + "x" * 5000, "Basic \xff", "\x00")),
        ("x-request-id", ("", "a" * 5000, "\x7f", "ok")),
        ("accept", ("text/tab-separated-values", "*/*", "\xff")),
        ("origin", ("https://elsewhere", "null")),
    ):
        if chance.random() < 0.1:
            headers.append((name, chance.choice(values)))
    is_short = chance.random() < 0.02
    if is_short:
        headers[2] = ("content-length", chance.choice(("1", "0", "99999999999", "abc", "+5", "1, 2")))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers if value or chance.random() < 0.5)
    target = path.encode("utf-8", "replace") if chance.random() < 0.9 else quote(path, safe="/?=&").encode()
    content = b"%s %s HTTP/1.1\r\n%s\r\n%s" % (verb.encode(), target, head.encode("latin-1", "replace"), body)
    return content, is_short or b"content-length" not in content


def mutate_bytes(chance: random.Random, content: bytes) -> bytes:
    """Some bytes changed, cut off or repeated."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        if not found:
            break
        place = chance.randrange(len(found))
        change: Callable[[], object] = chance.choice(
            (
                lambda place=place: found.__setitem__(place, chance.randrange(256)),
                lambda place=place: found.__delitem__(slice(place, place + chance.randint(1, 20))),
                lambda place=place: found.insert(place, chance.randrange(256)),
            )
        )
        change()
    return bytes(found)


async def send(host: str, port: int, request: bytes, *, ends: bool) -> int:
    """The status of the answer on a connection of its own; see `Tally.count`. ends: whether the sending side is
    closed."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            with suppress(ConnectionError):
                writer.write(request)
                if ends:
                    writer.write_eof()
                await writer.drain()
            status = await reader.readline()
            while await reader.read(65536):
                pass
    except TimeoutError:
        return -1
    except (ConnectionError, OSError):
        return 0
    finally:
        if writer is not None:
            writer.close()
    parts = status.split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


async def attack(address: str, number: int, seed: int) -> Tally:
    """Send so many requests, CONNECTIONS at a time."""
    host, _, port = address.rpartition(":")
    tally, remaining = Tally(), iter(range(number))

    async def work() -> None:
        for index in remaining:
            request, ends = make_request(random.Random(f"{seed}/{index}"))
            tally.count(await send(host, int(port), request, ends=ends), request)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(work())
    return tally


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--number", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tally = asyncio.run(attack(given.address, given.number, given.seed))
    print(dict(sorted(tally.statuses.items())))
    for status, request in tally.failed[:20]:
        print(status, request)


if __name__ == "__main__":
    main()
