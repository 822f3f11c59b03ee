"""Short versions of the commands beside this file."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from interpret.bundle.bundle import Bundle
from tests.robustness import disk
from tests.robustness.malformed import attack
from tests.robustness.soak import soak
from tests.robustness.worker_killed import kill_one
from tests.serving.scraping import scrape, value
from tests.serving.servers import RED, ROOT, Server, lines, plain, serve, upload


def test_malformed_requests_get_no_5xx(hurried: Server) -> None:
    counts = asyncio.run(attack(hurried.url, 300, seed=7))
    assert not [status for status in counts if status.startswith("5")], counts
    assert {"200", "400", "404", "405", "415", "422"} <= set(counts)
    assert [row["exception"] for row in lines(hurried) if "exception" in row] == []
    good = httpx.post(f"{hurried.url}/predict", files=upload(plain(RED)), timeout=60)
    assert good.status_code == 200


def test_good_and_bad_traffic_together(hurried: Server) -> None:
    (worker,) = psutil.Process(hurried.process.pid).children()
    counts, samples = asyncio.run(soak(hurried.url, worker, 3, connections=2))
    assert not [status for status in counts if status.startswith("5")], counts
    assert counts["200 (good request)"] > 0
    assert samples[-1] < samples[0] + 150 * 2**20


def test_a_killed_worker_is_replaced(toy_bundle: Bundle, tmp_path: Path) -> None:
    with serve(
        tmp_path / "log", DPNP_BUNDLE=toy_bundle.path, DPNP_WORKERS=2, DPNP_QUEUE_SECONDS=60
    ) as server:
        outcomes, _ = kill_one(server, seconds=1)
        assert set(outcomes) <= {"200", "cut"}
        assert outcomes["cut"] <= 4  # those that the dead one had at that moment
        numbers = scrape(server)
        assert value(numbers, "dpnp_bundle_workers") == 2  # the dead one does not count


@pytest.mark.skipif(not disk.possible(), reason="no name space of one's own on this system")
def test_a_full_and_a_read_only_disk(toy_bundle: Bundle) -> None:
    command = [sys.executable, "-m", "tests.robustness.disk", str(toy_bundle.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "with room again: the new bundle is served" in done.stdout
