"""Work that is put off is done in order, all of it, and soon."""

import asyncio
import logging
import time

import pytest

from serving.telemetry import later as module
from serving.telemetry.later import Later


def test_all_is_done_in_order_even_after_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    later, done = Later(), list[int]()
    later.put(done.append, 1)
    later.put(int, "no number")
    later.put(done.append, 2)
    assert done == []
    with caplog.at_level(logging.ERROR):
        later.flush()
    assert done == [1, 2]
    assert "telemetry failed" in caplog.text
    later.flush()
    assert done == [1, 2]


def test_the_event_loop_does_it_soon() -> None:
    later, done = Later(), list[int]()

    async def requests() -> None:
        for number in range(3):
            later.put(done.append, number)
            later.schedule()
        assert done == []
        deadline = time.monotonic() + 10
        while len(done) < 3 and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    asyncio.run(requests())
    assert done == [0, 1, 2]


def test_much_work_does_not_pile_up() -> None:
    later, done = Later(), list[int]()
    for number in range(module._MOST + 1):
        later.put(done.append, number)
    assert len(done) == module._MOST + 1
