"""A load generator: connections that each send one request after the other, over raw sockets.

It does as little as it can for each request, so that it takes little from the server it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import psutil
from PIL import Image

from tests.serving.servers import encode, upload


@dataclass
class Result:
    """What came back: answers by status, and the seconds of all and of the good ones, sorted."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    good: list[float] = field(default_factory=list)
    wall: float = 0.0
    retry_after: int = 0  # answers that carried the header

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.statuses[200] / self.wall

    def percentile(self, share: float) -> float:
        """Milliseconds that `share` of the answers took at most."""
        return _percentile(self.seconds, share)

    def good_percentile(self, share: float) -> float:
        """Milliseconds that `share` of the good answers took at most."""
        return _percentile(self.good, share)


def _percentile(seconds: list[float], share: float) -> float:
    return 1000 * seconds[min(int(len(seconds) * share), len(seconds) - 1)]


def picture(side: int = 32) -> bytes:
    """A PNG of noise."""
    return encode(Image.effect_noise((side, side), 60).convert("RGB"))


def post_bytes(url: str, path: str, image: bytes, **fields: str) -> bytes:
    """A whole POST request with a picture, ready to be sent as often as one likes."""
    request = httpx.Request("POST", url + path, files=upload(image), data=fields)
    body = request.read()
    lines = [f"POST {path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def load(url: str, request: bytes, *, connections: int, seconds: float) -> Result:
    """Send `request` over each of the connections, again and again, for `seconds`."""
    return asyncio.run(_load(url, request, connections, seconds))


def cpu_seconds(pid: int) -> float:
    """Seconds of a CPU that a process and all that it started have used."""
    parent = psutil.Process(pid)
    times = [process.cpu_times() for process in (parent, *parent.children(recursive=True))]
    return sum(each.user + each.system for each in times)


async def _load(url: str, request: bytes, connections: int, seconds: float) -> Result:
    host, port = url.removeprefix("http://").split(":")
    result, start = Result(), time.perf_counter()
    end = start + seconds
    await asyncio.gather(
        *(_client(host, int(port), request, end, result) for _ in range(connections))
    )
    result.wall = time.perf_counter() - start
    result.seconds.sort()
    result.good.sort()
    return result


async def _client(host: str, port: int, request: bytes, end: float, result: Result) -> None:
    reader = writer = None
    while (begin := time.perf_counter()) < end:
        if reader is None or writer is None:
            reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            length = int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            result.statuses[0] += 1  # cut
            reader = None
            continue
        status, seconds = int(head[9:12]), time.perf_counter() - begin
        result.statuses[status] += 1
        result.seconds.append(seconds)
        if status == 200:
            result.good.append(seconds)
        result.retry_after += b"\r\nretry-after: " in lower
        if b"\r\nconnection: close" in lower:
            writer.close()
            reader = None
    if writer is not None:
        writer.close()
