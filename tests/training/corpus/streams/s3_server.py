"""A store that speaks as much of S3 as reading needs, on this machine: listing, and content by ranges."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@contextmanager
def s3_server(bucket: str, content: dict[str, bytes], failing: list[str]) -> Iterator[str]:
    """The address of a store with one bucket. failing: keys whose next content is an error, each once."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            _, found, key = address.path.removeprefix("/").partition(f"{bucket}/")
            if not key and address.path.strip("/") == bucket:
                self.answer(200, self.listing(parse_qs(address.query).get("prefix", [""])[0]))
            elif not found or key not in content:
                self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            elif self.command == "GET" and key in failing:
                failing.remove(key)
                self.answer(400, b"<Error><Code>InvalidRequest</Code><Message>broken</Message></Error>")
            elif match := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
                part = content[key][int(match[1]) : int(match[2]) + 1]
                self.answer(206, part, f"bytes {match[1]}-{int(match[1]) + len(part) - 1}/{len(content[key])}")
            else:
                self.answer(200, content[key])

        do_HEAD = do_GET

        def listing(self, prefix: str) -> bytes:
            files = "".join(
                f"<Contents><Key>{key}</Key><Size>{len(value)}</Size>"
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
                for key, value in sorted(content.items())
                if key.startswith(prefix)
            )
            return (
                '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<Name>{bucket}</Name><IsTruncated>false</IsTruncated>{files}</ListBucketResult>"
            ).encode()

        def answer(self, status: int, body: bytes, content_range: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.send_header("ETag", '"x"')
            if content_range:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
