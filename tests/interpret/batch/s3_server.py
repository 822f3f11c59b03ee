"""A small server of the S3 protocol: as much of it as reading takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_SAVED = "Thu, 01 Jan 2026 00:00:00 GMT"


@contextmanager
def s3_server(files: Mapping[str, bytes]) -> Iterator[str]:
    """Serves `files`, by bucket/key; gives the server's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            key, query = unquote(address.path).strip("/"), parse_qs(address.query)
            if "list-type" in query:
                self.answer(200, listing(files, key, query.get("prefix", [""])[0]))
            elif key not in files:
                self.answer(404, b"")
            elif span := self.headers.get("Range"):
                first, last = map(int, span.removeprefix("bytes=").split("-"))
                content = files[key][first : last + 1]
                self.answer(206, content, f"bytes {first}-{last}/{len(files[key])}")
            else:
                self.answer(200, files[key])

        def answer(self, status: int, content: bytes, span: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", _SAVED)
            if span is not None:
                self.send_header("Content-Range", span)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def listing(files: Mapping[str, bytes], bucket: str, prefix: str) -> bytes:
    """The answer to ListObjectsV2."""
    keys = [key.removeprefix(f"{bucket}/") for key in files if key.startswith(f"{bucket}/{prefix}")]
    contents = [
        f"<Contents><Key>{escape(key)}</Key><Size>{len(files[f'{bucket}/{key}'])}</Size>"
        "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in keys
    ]
    return (
        f"<?xml version='1.0'?><ListBucketResult><Name>{bucket}</Name>"
        f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(keys)}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{''.join(contents)}</ListBucketResult>"
    ).encode()
