"""A pool without a place or a free thread refuses, and has both again afterwards; its rows."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import anyio
import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.model.predictor import Pixels, Predictor
from serving.batching import Steps, Wanted
from serving.http.errors import ServiceError
from serving.http.worker_pools import ROW_SECONDS, Tickets, WorkerPool

NAME: ContextVar[str] = ContextVar("name")


def test_a_full_pool_refuses() -> None:
    pool = WorkerPool(threads=1, max_requests=2, queue_seconds=1)
    with pool.place(), pool.place(), pytest.raises(ServiceError) as caught, pool.place():
        pass
    assert caught.value.status == 429
    with pool.place(), pool.place():  # and has room again afterwards
        pass


def test_waiting_is_cut_short_but_work_is_not() -> None:
    pool = WorkerPool(threads=1, max_requests=9, queue_seconds=0.1)
    outcomes: list[object] = []

    def slow() -> str:
        time.sleep(0.3)
        return "done"

    async def ask() -> None:
        try:
            outcomes.append(await pool.run(slow))
        except ServiceError as error:
            outcomes.append(error.status)

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)

    asyncio.run(both())
    assert sorted(outcomes, key=str) == [503, "done"]


class Asked:
    """The toy's predictor, with the names of the requests that shared each call."""

    def __init__(self, bundle: Bundle) -> None:
        self._predictor = Predictor(bundle, threads=1)
        self.calls: list[list[str]] = []

    def __call__(self, questions: Sequence[tuple[str, Pixels]]) -> list[float]:
        names, pictures = zip(*questions, strict=True)
        self.calls.append(list(names))
        if "fault" in names:
            raise ZeroDivisionError("a fault in the model")
        return self._predictor(np.stack(pictures)).embedding[:, 0].tolist()


@pytest.fixture
def asked(toy_bundle: Bundle) -> Asked:
    return Asked(toy_bundle)


def level(asked: Asked, grey: int, reading: float = 0.0) -> Steps[tuple[str, float]]:
    """Work that asks about a picture of one grey, and ends with its request and that grey."""
    end = time.thread_time() + reading
    while time.thread_time() < end:
        pass
    if grey > 255:
        raise ServiceError(415, "not_an_image", "no picture")
    pixels = np.full((4, 4, 3), grey, np.uint8)
    mean = yield Wanted(asked, (NAME.get(), pixels))
    return NAME.get(), round(255 * mean)


def outcomes(pool: WorkerPool, work: dict[str, Callable[[], Steps[object]]]) -> dict[str, object]:
    """What becomes of pieces of work that all wait for the pool's first thread."""
    found: dict[str, object] = {}
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> bool:
        begun.set()
        return go_on.wait(10)

    async def ask(name: str) -> None:
        NAME.set(name)
        try:
            found[name] = await pool.run(work[name])
        except (ServiceError, ZeroDivisionError) as error:
            found[name] = type(error).__name__

    async def everybody() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.run, hold)
            assert await asyncio.to_thread(begun.wait, 10)
            for name in work:
                tasks.start_soon(ask, name)
            await asyncio.sleep(0)
            go_on.set()

    asyncio.run(everybody())
    return found


def test_what_waits_asks_the_network_together(asked: Asked) -> None:
    pool = WorkerPool(1, 99, 10, row=lambda: 4)
    names = [f"r{n}" for n in range(6)]
    work = {name: lambda n=n: level(asked, 40 * n) for n, name in enumerate(names)}
    assert outcomes(pool, work) == {name: (name, 40 * n) for n, name in enumerate(names)}
    assert asked.calls == [names[:4], names[4:]]


def test_a_bad_picture_fails_alone(asked: Asked) -> None:
    pool = WorkerPool(1, 99, 10, row=lambda: 4)
    work = {"a": lambda: level(asked, 1), "b": lambda: level(asked, 256)}
    found = outcomes(pool, work | {"c": lambda: level(asked, 3)})
    assert found == {"a": ("a", 1), "b": "ServiceError", "c": ("c", 3)}
    assert asked.calls == [["a", "c"]]


def test_a_fault_of_the_network_reaches_all_of_its_row_and_no_other(asked: Asked) -> None:
    pool = WorkerPool(1, 99, 10, row=lambda: 2)
    work = {name: lambda: level(asked, 7) for name in ("fault", "beside", "after")}
    fault = "ZeroDivisionError"
    assert outcomes(pool, work) == {"fault": fault, "beside": fault, "after": ("after", 7)}


def test_pictures_that_are_read_do_not_wait_for_many_slow_ones(asked: Asked) -> None:
    pool = WorkerPool(1, 99, 10, row=lambda: 4)
    work = {name: lambda: level(asked, 7, reading=2 * ROW_SECONDS) for name in "abc"}
    assert set(outcomes(pool, work)) == set("abc")
    assert asked.calls == [["a"], ["b"], ["c"]]


def test_free_threads_share_what_waits() -> None:
    pool = WorkerPool(2, 99, 10, row=lambda: 16)
    together, met = threading.Barrier(2), list[int]()

    async def often() -> None:
        for _ in range(20):  # in one thread the first piece would wait for the second in vain
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(pool.run, lambda: met.append(together.wait(10)))

    asyncio.run(often())
    assert sorted(met) == [0] * 20 + [1] * 20


def test_no_more_hold_a_ticket_than_there_are() -> None:
    tickets, held, most = Tickets(2), 0, list[int]()
    lock = threading.Lock()

    def work(_: int) -> None:
        nonlocal held
        with tickets:
            with lock:
                held += 1
                most.append(held)
            time.sleep(0.01)
            with lock:
                held -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))
    assert max(most) == 2
    with pytest.raises(ValueError, match="inside"), tickets:
        raise ValueError("inside")
    with tickets, tickets:  # both came back
        pass
