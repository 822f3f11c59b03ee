"""Work that is put off is done in order, all of it at once, and soon."""

import asyncio
import logging
import time
from collections.abc import Sequence

import pytest

from serving.telemetry import later as module
from serving.telemetry.later import Later


def test_each_work_is_done_once_on_all_that_waits_even_after_a_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    later, done, calls = Later(), list[int](), list[int]()

    def work(things: Sequence[int]) -> None:
        calls.append(len(things))
        done.extend(things)

    def fail(things: Sequence[str]) -> None:
        raise ValueError(things)

    later.put(work, 1)
    later.put(fail, "no number")
    later.put(work, 2)
    assert done == []
    with caplog.at_level(logging.ERROR):
        later.flush()
    assert done == [1, 2]
    assert calls == [2]
    assert "telemetry failed" in caplog.text
    later.flush()
    assert done == [1, 2]


def test_the_event_loop_does_it_soon() -> None:
    later, done = Later(), list[int]()

    async def requests() -> None:
        for number in range(3):
            later.put(done.extend, number)
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
        later.put(done.extend, number)
    assert len(done) == module._MOST + 1
