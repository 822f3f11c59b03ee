"""Progress bars for long work, on stderr, and a parallel map with such a bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from interpret.model.devices import cpu_count

WINDOW = 4096  # items that wait for a thread at a time: a million would fill the memory

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")


def progress() -> Progress:
    """A bar with count, rate and time left. It vanishes at the end, and a pipe gets nothing."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], title: str
) -> list[Result]:
    """`function` of every item, in order, in as many threads as there are CPUs."""
    results: list[Result] = []
    with ThreadPoolExecutor(cpu_count()) as pool, progress() as bar:
        task, shown = bar.add_task(title, total=len(items)), time.monotonic()
        for start in range(0, len(items), WINDOW):
            for result in pool.map(function, items[start : start + WINDOW]):
                results.append(result)
                if time.monotonic() - shown > 0.1:
                    bar.update(task, completed=len(results))
                    shown = time.monotonic()
    return results
