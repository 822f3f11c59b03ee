"""The numbers at /metrics: of all workers, and of all that is asked for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from interpret.bundle.bundle import Bundle
from serving.telemetry.metrics import FAST, ObservedBy
from tests.serving.scraping import scrape, value
from tests.serving.servers import BLACK, GREEN, RED, Server, lines, plain, serve, upload


@pytest.fixture(scope="module")
def pair(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers, both at work."""
    log = tmp_path_factory.mktemp("pair") / "log"
    with serve(log, DPNP_BUNDLE=toy_bundle.path, DPNP_WORKERS=2) as running:
        while {row["worker"] for row in lines(running, message="POST /prototypes")} < {1, 2}:
            httpx.post(f"{running.url}/prototypes")
        yield running


def test_numbers_are_those_of_both_workers(pair: Server, toy_bundle: Bundle) -> None:
    before = scrape(pair)
    jobs = [RED] * 12 + [GREEN] * 5 + [BLACK] * 3

    def send(colour: tuple[int, int, int]) -> int:
        return httpx.post(f"{pair.url}/predict", files=upload(plain(colour))).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(send, jobs)) == {200}
    assert httpx.post(f"{pair.url}/predict").status_code == 400

    after = scrape(pair)

    def more(name: str, /, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert {row["worker"] for row in lines(pair, path="/predict", status=200)} == {1, 2}
    assert more("dpnp_predictions_total", label="red", verdict="accept") == 12
    assert more("dpnp_predictions_total", label="green", verdict="accept") == 5
    assert more("dpnp_predictions_total", verdict="none_of_these") == 3
    assert more("dpnp_requests_total", endpoint="/predict", status="200") == 20
    assert more("dpnp_requests_total", endpoint="/predict", status="400") == 1
    assert more("dpnp_request_seconds_count", endpoint="/predict") == 21
    assert more("dpnp_stage_seconds_count", stage="decode") == 20
    assert more("dpnp_stage_seconds_count", stage="inference") == 20
    assert more("dpnp_batch_pictures_sum") == 20
    fingerprint = toy_bundle.manifest.fingerprint
    assert value(after, "dpnp_bundle_workers", fingerprint=fingerprint) == 2


def test_unknown_paths_make_no_series(pair: Server) -> None:
    httpx.get(f"{pair.url}/gallery/10")
    httpx.get(f"{pair.url}/nowhere")
    before = scrape(pair)
    for i in range(20):
        httpx.get(f"{pair.url}/gallery/{i}")
        httpx.get(f"{pair.url}/nowhere/{i}")
        httpx.get(f"{pair.url}/predict{i}")
    after = scrape(pair)
    assert value(after, "dpnp_requests_total", endpoint="other") >= 41
    assert {name for name, _ in after} == {name for name, _ in before}
    assert len(after) <= len(before) + 40  # the first 404 of each in the other worker


def test_many_values_at_once_count_as_one_after_the_other() -> None:
    values = [0.0005, 0.0006, 0.002, 0.002, 3.0, 11.0]  # on a bound, between two, above the last
    texts = []
    for at_once in (True, False):
        registry = CollectorRegistry()
        histogram = Histogram("seconds", "of a test", ["stage"], buckets=FAST, registry=registry)
        if at_once:
            ObservedBy(histogram).count([("read", value) for value in values])
        else:
            for value in values:
                histogram.labels("read").observe(value)
        lines = generate_latest(registry).decode().splitlines()
        texts.append([line for line in lines if "_created" not in line])
    assert texts[0] == texts[1]
