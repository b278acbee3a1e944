"""Calls over HTTP on real sockets."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dragoman.server.scheduling.interfaces import ServedTranslator
from tests.server.running import PATIENCE, make_server

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class HttpServer:
    """A server that runs on a thread of its own."""

    def __init__(self, address: str) -> None:
        self.address = address

    def call(
        self, method: str, path: str, body: str | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        host, _, port = self.address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        try:
            encoded = body.encode() if isinstance(body, str) else body
            connection.request(method, path, encoded, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, headers=headers)

    def send(self, path: str, fields: Any, **headers: str) -> Answer:
        return self.call("POST", path, json.dumps(fields), JSON | headers)

    def send_form(self, path: str, fields: Mapping[str, Any], **headers: str) -> Answer:
        form = {"content-type": "application/x-www-form-urlencoded"}
        return self.call("POST", path, urlencode(fields, doseq=True), form | headers)

    def send_file(self, path: str, fields: Mapping[str, str], name: str, content: bytes, **headers: str) -> Answer:
        border = "a-border"
        field = f"--{border}\r\ncontent-disposition: form-data; name="
        parts = [f'{field}"{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
        head = f'{field}"file"; filename="{name}"\r\n\r\n'
        body = "".join([*parts, head]).encode() + content + f"\r\n--{border}--\r\n".encode()
        return self.call("POST", path, body, {"content-type": f"multipart/form-data; boundary={border}"} | headers)


@contextmanager
def http_server(*translators: ServedTranslator, **tables: dict[str, Any]) -> Iterator[HttpServer]:
    """`make_server` with HTTP on a free port; tables: see `make_config`."""
    ready = threading.Event()
    found: list[Any] = []

    async def run() -> None:
        stopped = asyncio.Event()
        http_table = {"listen": "127.0.0.1:0"} | tables.pop("http", {})
        async with make_server(*translators, http=http_table, **tables) as server:
            found.extend((server.http_address, asyncio.get_running_loop(), stopped))
            ready.set()
            await stopped.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    address, loop, stopped = found
    try:
        yield HttpServer(address)
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(PATIENCE)
        assert not thread.is_alive()
