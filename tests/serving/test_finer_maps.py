"""Finer maps over a real server: their sums, their bounds, and room for other explanations."""

import threading
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.serving.servers import ROOT, Server, serve, upload

DIGIT = (ROOT / "docs" / "digit.png").read_bytes()
ASKING = 6  # clients: with them all at once there is still a place for one that asks for less


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"DPNP_BUNDLE": ROOT / "models" / "digits-dpnp", "DPNP_MAX_CONCURRENCY": ASKING + 2}
    with serve(tmp_path_factory.mktemp("finer") / "log", **settings) as running:
        yield running


def explain(client: httpx.Client, **fields: str) -> httpx.Response:
    return client.post("/explain", files=upload(DIGIT), data=fields)


def test_a_finer_map_adds_up(digits: Server) -> None:
    with httpx.Client(base_url=digits.url, timeout=60) as client:
        plain, fine = explain(client).json(), explain(client, fine="true", rival="5").json()
        assert plain["fine_evidence"] is None
        assert explain(client, fine="perhaps").json()["error"]["code"] == "invalid_field"
    found = fine["fine_evidence"]
    assert (found["rows"], found["cols"], found["factor"]) == (16, 16, 4)
    blocks = np.array(found["values"]).reshape(4, 4, 4, 4).sum((1, 3))
    np.testing.assert_allclose(blocks, fine["evidence"]["values"], atol=1e-6)
    assert found["overlay_png"] != fine["evidence"]["overlay_png"]


def test_many_who_want_finer_maps_leave_room_to_others(digits: Server) -> None:
    """A quarter of the room at most is theirs, so the others find a place and a thread."""
    statuses: list[int] = []
    enough = threading.Event()

    def flood() -> None:
        with httpx.Client(base_url=digits.url, timeout=60) as client:
            while not enough.is_set():
                answer = explain(client, fine="true")
                assert answer.is_success or int(answer.headers["retry-after"]) > 0
                statuses.append(answer.status_code)

    senders = [threading.Thread(target=flood) for _ in range(ASKING)]
    for sender in senders:
        sender.start()
    try:
        with httpx.Client(base_url=digits.url, timeout=60) as client:
            others = [explain(client).status_code for _ in range(10)]
    finally:
        enough.set()
        for sender in senders:
            sender.join()
    assert others == [200] * 10
    assert set(statuses) == {200, 429}
