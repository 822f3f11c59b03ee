"""Good and bad traffic together for a while: every answer is right, and memory stays flat.

python -m tests.robustness.soak BUNDLE [--minutes 15] [--connections 8]
"""

from __future__ import annotations

import asyncio
import base64
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer

from tests.benchmarks.load import picture
from tests.robustness.malformed import attack
from tests.serving.servers import serve, upload

ROUND = 200  # malformed requests between two looks at the memory
GROWTH = 0.08  # of the memory after the first third, that is still called flat


def main(
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    minutes: float = 15,
    connections: int = 8,
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(
            Path(folder) / "log",
            DPNP_BUNDLE=bundle.absolute(),
            DPNP_UPLOAD_SECONDS=10,  # on a busy machine this client sends its pictures slowly
            DPNP_QUEUE_SECONDS=60,
            DPNP_FEEDBACK=Path(folder) / "feedback.db",
        ) as server,
    ):
        (worker,) = psutil.Process(server.process.pid).children()
        counts, samples = asyncio.run(soak(server.url, worker, 60 * minutes, connections))
    for status, number in sorted(counts.items()):
        print(f"{number:9,} × {status}")
    settled = samples[len(samples) // 3]
    print(
        "worker's memory in MB:",
        " ".join(f"{s / 2**20:.0f}" for s in samples[:: -(-len(samples) // 12)]),
    )
    print(f"growth after the first third: {samples[-1] / settled - 1:.1%}")
    if samples[-1] > settled * (1 + GROWTH) or any(s.startswith("5") for s in counts):
        raise typer.Exit(1)


async def soak(
    url: str, worker: psutil.Process, seconds: float, connections: int
) -> tuple[Counter[str], list[int]]:
    """All answers by status, and the worker's resident bytes after each round."""
    end, counts, samples = time.monotonic() + seconds, Counter[str](), [worker.memory_info().rss]

    model = httpx.get(f"{url}/model", timeout=120).json()

    async def good(number: int) -> None:
        generator = random.Random(number)
        # A connection for each request: uvicorn ends those that are idle for five seconds, and when
        # the machine stands still for as long, it ends them although a request has just been sent.
        fresh = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, timeout=120, limits=fresh) as client:
            while time.monotonic() < end:
                image = picture(generator.choice([8, 32, 200, 900]))
                response = await client.send(good_request(client, generator, model, image))
                counts[f"{response.status_code} (good request)"] += 1

    async def bad() -> None:
        round_number = 0
        while time.monotonic() < end:
            counts.update(await attack(url, ROUND, round_number))
            samples.append(worker.memory_info().rss)
            round_number += 1

    await asyncio.gather(bad(), *(good(i) for i in range(connections)))
    samples.append(worker.memory_info().rss)
    return counts, samples


def good_request(
    client: httpx.AsyncClient, generator: random.Random, model: dict[str, Any], image: bytes
) -> httpx.Request:
    """One of the ways to ask; each is answered with 200."""
    form = {"files": upload(image)}
    many = {"files": [("image", image)] * generator.randrange(2, 6)}
    text = base64.b64encode(image).decode()
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}
    corrected = form | {"data": {"label": generator.choice(model["class_names"])}}
    method, path, sent = generator.choice(
        [
            *[("POST", "/predict", form)] * 4,
            ("POST", "/explain", form),
            ("POST", "/similar", form),
            ("POST", "/predict/batch", many),
            ("POST", "/v1/predict?top=2", {"content": image}),
            ("POST", "/v1/explain", {"json": {"image": text, "fine": True}}),
            ("POST", f"/v2/models/{model['name']}/infer", {"json": {"inputs": [tensor]}}),
            ("POST", "/feedback", corrected),
            ("GET", "/prototypes?limit=2", {}),
            ("GET", "/model", {}),
            ("GET", "/metrics", {}),
        ]
    )
    return client.build_request(method, path, **sent)


if __name__ == "__main__":
    typer.run(main)
