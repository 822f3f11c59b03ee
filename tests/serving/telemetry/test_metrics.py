"""The numbers at /metrics: of all workers, and of all that is asked for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from interpret.bundle.bundle import Bundle
from serving.telemetry.drift import ENOUGH, WINDOW, Drift, Reference
from tests.serving.http.test_access import lines
from tests.serving.servers import BLACK, GREEN, RED, Server, plain, serve, upload

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(server: Server) -> Series:
    text = httpx.get(f"{server.url}/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, /, **labels: str) -> float:
    """The sum of all series of this name with at least these labels."""
    return sum(v for (n, given), v in series.items() if n == name and labels.items() <= given)


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


def test_a_reference_and_its_ranks(toy_bundle: Bundle) -> None:
    assert Reference(toy_bundle).ranks(0, 0.1, 0.5) is None  # two images a class are too few
    count = ENOUGH
    along = np.linspace(0, 0.3, count, endpoint=False, dtype=np.float32)
    embeddings = np.zeros((count, 3), np.float32)
    embeddings[:, 0] = 1 - along  # at distances 0, 0.01, 0.02, … from red
    bundle = Bundle(
        toy_bundle.path,
        toy_bundle.manifest,
        toy_bundle.prototypes,
        embeddings,
        toy_bundle.gallery,
    )
    reference = Reference(bundle)
    assert reference.ranks(1, 0.1, 0.5) is None
    ranks = reference.ranks(0, 0.155, 2.0)
    assert ranks == (pytest.approx(16 / count), 1.0)
    assert reference.ranks(0, 9.0, 0.0) == (1.0, 0.0)


def test_drift_is_small_for_an_even_spread_and_large_for_strangers() -> None:
    drift = Drift(2)
    even = [drift.add(0, rank) for rank in np.random.default_rng(0).permutation(WINDOW) / WINDOW]
    assert even[: ENOUGH - 1] == [None] * (ENOUGH - 1)
    assert even[-1] == pytest.approx(0, abs=0.01)
    strangers = [drift.add(0, 1.0) for _ in range(WINDOW)]
    assert strangers == sorted(strangers)
    assert strangers[-1] == 1.0
    assert drift.add(1, 0.5) is None  # classes do not mix


def test_drift_against_its_formula() -> None:
    ranks = np.random.default_rng(1).random(ENOUGH)
    drift = Drift(1)
    score = [drift.add(0, rank) for rank in ranks][-1]
    grid = np.linspace(0, 1, 100_001)
    share = (ranks[:, None] <= grid).mean(0)
    assert score == pytest.approx(np.abs(share - grid).max(), abs=1e-4)
