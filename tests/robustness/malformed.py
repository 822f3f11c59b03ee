"""Malformed requests to a real server: none gets a 5xx, and good ones are answered beside them.

    python -m tests.robustness.malformed BUNDLE [--requests 10000] [--seed 0]

Bodies, boundaries, headers, sizes, methods, pictures cut and flipped, and slow clients.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from PIL import Image

from tests.serving.servers import encode, serve, upload

PARALLEL = 16
SLOW = 0.01  # the share of clients that stop half way and wait
PATHS = (
    *("/predict", "/predict/batch", "/explain", "/similar", "/prototypes", "/feedback"),
    *("/predict?top=2&probabilities=1", "/predict/batch?top=0", "/explain?fine=1&rival=x"),
    *("/v1/predict", "/v1/predict/batch", "/v1/feedback", "/v1/model", "/v1"),
    *("/v2/models/{model}/infer", "/v2/models/{model}/infer", "/v2/models/{model}"),
    *("/v2/models/{model}/versions/1/infer", "/v2/models/toy/ready", "/v2", "/v2/health/ready"),
    *("/prototypes?offset=-1&limit=9", "/prototypes?" + "limit=1&" * 20, "/prototypes?limit=%ff"),
    *("/gallery/1", "/gallery/-1", "/gallery/" + "9" * 40, "/map", "/model", "/nowhere"),
    *("/metrics", "/docs.json", "/ui/main.js", "/ui/%2e%2e/settings.py", "/admin/reload"),
)
PICTURES = [
    encode(Image.effect_noise((24, 24), 60).convert("RGB"), kind)
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF")
]
Head = list[tuple[str, str]]


def main(
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    requests: int = 10_000,
    seed: int = 0,
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(
            Path(folder) / "log",
            DPNP_BUNDLE=bundle.absolute(),
            DPNP_UPLOAD_SECONDS=2,
            DPNP_MAX_BYTES=200_000,
            DPNP_FEEDBACK=Path(folder) / "feedback.db",
        ) as server,
    ):
        counts = asyncio.run(attack(server.url, requests, seed))
        for status, number in sorted(counts.items()):
            print(f"{number:7,} × {status}")
        print("tracebacks in the log:", server.log.count("Traceback"))
        good = httpx.post(f"{server.url}/predict", files=upload(PICTURES[1]), timeout=60)
        print("a good request afterwards:", good.status_code)
    if good.status_code != 200 or any(status.startswith("5") for status in counts):
        raise typer.Exit(1)


async def attack(url: str, number: int, seed: int) -> Counter[str]:
    """Send them; returns how many got which status, "closed" without one."""
    host, port = url.removeprefix("http://").split(":")
    counts: Counter[str] = Counter()
    model = httpx.get(f"{url}/model", timeout=60).json()["name"]
    pending = iter(range(number))

    async def client() -> None:
        for i in pending:
            generator = random.Random(f"{seed} {i}")
            status = await _send(host, int(port), malformed(generator, model), generator)
            counts[status] += 1

    await asyncio.gather(*(client() for _ in range(PARALLEL)))
    return counts


async def _send(host: str, port: int, request: bytes, generator: random.Random) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    slow = generator.random() < SLOW
    try:
        if slow:
            writer.write(request[: len(request) // 2])
            await asyncio.sleep(generator.uniform(0, 3))
        else:
            writer.write(request)
            if generator.random() < 0.1 and writer.can_write_eof():  # half closed: often no answer
                writer.write_eof()
        line = await asyncio.wait_for(reader.readline(), 4 if slow else 60)
    except (OSError, TimeoutError):
        return "closed"
    finally:
        writer.close()
    return line.split()[1].decode() if line.startswith(b"HTTP/1.1 ") else "closed"


def malformed(generator: random.Random, model: str) -> bytes:
    """One request, most of them wrong somewhere; a little of everything comes out right."""
    method = generator.choice(("POST",) * 8 + ("GET", "PUT", "HEAD", "BREW"))
    body, content_type = _body(generator)
    head: Head = [
        ("Host", "localhost"),
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
    ]
    if generator.random() < 0.4:
        generator.choice(_HEADS)(head, generator)
    lines = "".join(f"{name}: {value}\r\n" for name, value in head)
    path = generator.choice(PATHS).replace("{model}", model)
    start = f"{method} {path} HTTP/1.1\r\n"
    return f"{start}{lines}\r\n".encode("latin-1", "replace") + body


def _body(generator: random.Random) -> tuple[bytes, str]:
    """A form, a picture alone, JSON or a request of the Open Inference Protocol."""
    kind = generator.choice((_form,) * 3 + (_raw, _json, _tensors))
    body, content_type = kind(generator)
    if generator.random() < 0.1:
        body = damaged(gzip.compress(body), generator)  # the header comes from `_packed`, or not
    return body, generator.choice([content_type] * 6 + _TYPES)


def _raw(generator: random.Random) -> tuple[bytes, str]:
    kind = generator.choice(["image/png", "image/*", "application/octet-stream", "IMAGE/"])
    return damaged(generator.choice(PICTURES), generator), kind


def _json(generator: random.Random) -> tuple[bytes, str]:
    text = base64.b64encode(damaged(generator.choice(PICTURES), generator)).decode()
    image = generator.choice([text, text[:-1], [text] * 3, [[]], None, 7, f"data:,{text}"])
    sent = {"image": image, "top": generator.choice([1, "2", -1, None, {}, 1e300])}
    sent |= _sometimes(
        generator,
        label=[0, "0", None, ["red"]],
        request_id=["", "a" * 70, 1, {}],
        probabilities=[True, "maybe", []],
        fine=[1, "no", None],
        offset=[0, -1, 10**30],
    )
    body = json.dumps(sent)
    return damaged(body.encode(), generator), "application/json"


def _tensors(generator: random.Random) -> tuple[bytes, str]:
    shape = generator.choice([[1, 4, 4, 3], [1], [0], [2], [-1], [10**20], [1, 1], []])
    data = generator.choice([[0] * 48, [[0] * 24] * 2, ["eA=="], [""], [300] * 48, None, 7, {}])
    sent = {
        "name": generator.choice(["pixels", "image"]),
        "datatype": generator.choice(["UINT8", "BYTES"]),
        "shape": shape,
        "data": data,
        "parameters": generator.choice([{}, {"binary_data_size": 5}, {"binary_data_size": -1}]),
    }
    request = {"inputs": [sent] * generator.choice([1, 1, 1, 2])}
    output = {"name": generator.choice(["label", "evidence", "no", ""])}
    output["parameters"] = generator.choice([{}, {"binary_data": True}, {"classification": 3}])
    request |= _sometimes(generator, outputs=[[output], [], {}], id=["a", 7, None])
    body = json.dumps(request).encode()
    if generator.random() < 0.7:
        return body, "application/json"
    return damaged(body, generator), "application/json"


def _form(generator: random.Random) -> tuple[bytes, str]:
    fields = {"k": generator.choice(["3", "0", "-1", "1e9", "", "９", "9" * 400, "\x00"])}
    fields["prototype"] = generator.choice(["0", "", "\ud7ff", "x" * 1000, '"', "../.."])
    fields["label"] = generator.choice(["0", "red", "", "\x00", "y" * 1000])
    fields["request_id"] = generator.choice(["", "a.1", "'; --", "z" * 100])
    fields["rival"] = generator.choice(["0", "green", "", '"red"'])
    fields["fine"] = generator.choice(["1", "true", "perhaps", ""])
    chosen = {name: value for name, value in fields.items() if generator.random() < 0.3}
    files = []
    for _ in range(generator.choice([1, 1, 1, 0, 3, 120])):
        name = generator.choice(["image", "image", "image", "image", "Image", "", "k"])
        called = generator.choice(["p.png", "p.png", "", "ä;\r\n.png", "a" * 2000])
        picture = damaged(generator.choice(PICTURES), generator)
        files.append((name, (called, picture, "image/png")))
    made = httpx.Request("POST", "http://localhost", data=chosen, files=files)
    body, content_type = made.read(), made.headers.get("content-type", "")
    if body and generator.random() < 0.3:
        body = damaged(body, generator)
    return body, content_type


def _sometimes(generator: random.Random, **values: list[Any]) -> dict[str, Any]:
    """Some of the fields, each with one of its values."""
    return {k: generator.choice(v) for k, v in values.items() if generator.random() < 0.3}


_TYPES = [
    "",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=" + "x" * 300,
    "multipart/form-data; boundary=\xff\xfe",
    "application/x-www-form-urlencoded",
    "application/json",
    "application/vnd.bentoml+pickle",
    "text/plain; charset=utf-7",
    ";;;",
]


def damaged(data: bytes, generator: random.Random) -> bytes:
    """The data cut, with bytes flipped, a part repeated or zeroed, or as it is."""
    start = generator.randrange(len(data) + 1)
    end = min(len(data), start + generator.randrange(1, 64))
    flipped = bytearray(data)
    for _ in range(generator.randrange(1, 8)):
        flipped[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return generator.choice(
        (
            data,
            data[:start],
            data[start:],
            bytes(flipped),
            data[:end] + data[start:],
            data[:start] + bytes(end - start) + data[end:],
            data + generator.randbytes(50),
        )
    )


def _wrong_length(head: Head, generator: random.Random) -> None:
    wrong = generator.choice(["0", "1", "-1", "1e3", "99999999999", "12, 12", "", "٣"])
    head[2] = ("Content-Length", wrong)


def _chunked(head: Head, generator: random.Random) -> None:
    head[2] = ("Transfer-Encoding", generator.choice(["chunked", "gzip", "chunked, chunked", ""]))


def _many(head: Head, generator: random.Random) -> None:
    head.extend((f"X-{i}", "y" * 50) for i in range(generator.randrange(1, 300)))


def _long(head: Head, generator: random.Random) -> None:
    head.append(("X-Request-ID", "z" * generator.randrange(70_000)))


def _odd(head: Head, generator: random.Random) -> None:
    value = "".join(chr(generator.randrange(1, 256)) for _ in range(20))
    head.append((generator.choice(["Authorization", "Expect", "Connection", "Cookie"]), value))


def _packed(head: Head, generator: random.Random) -> None:
    head.append(("Content-Encoding", generator.choice(["gzip", "deflate", "br", "gzip, gzip"])))


def _behind(head: Head, generator: random.Random) -> None:
    value = generator.choice(["0", "20", "-1", "1e3", "9" * 30, "", "²"])
    head.append(("Inference-Header-Content-Length", value))


def _doubled(head: Head, generator: random.Random) -> None:
    head.append(generator.choice(head))


_HEADS: tuple[Callable[[Head, random.Random], None], ...] = (
    _wrong_length,
    _chunked,
    _many,
    _long,
    _odd,
    _packed,
    _behind,
    _doubled,
)

if __name__ == "__main__":
    typer.run(main)
