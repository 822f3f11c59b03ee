"""A pool without a place or a free thread refuses, and has both again afterwards."""

import asyncio
import time

import anyio
import pytest

from serving.http.errors import ServiceError
from serving.http.worker_pools import WorkerPool


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
