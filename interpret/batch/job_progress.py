"""How far a batch job is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from interpret.batch.job import Done, Plan
from interpret.model.progress import progress

EVERY = 60.0  # seconds between two lines


class JobProgress:
    """A bar over pictures, where the source tells how many there are, else over shards.

    Where no terminal shows the bar, `tell` gets a line with the same now and then.
    """

    def __init__(self, plan: Plan, done: Sequence[Done], tell: Callable[[str], object]) -> None:
        """`done` are the parts that are done already."""
        self._plan, self._tell = plan, tell
        self._before = self._pictures = sum(each.pictures for each in done)
        self._partly = 0  # pictures of the part at work
        self._shards_before = self._shards = len(done)
        self._start = self._told = time.monotonic()
        self._bar = progress()
        counted = plan.pictures is not None
        self._task = self._bar.add_task(
            "pictures",
            total=plan.pictures if counted else plan.parts,
            completed=self._pictures if counted else self._shards,
        )

    def __enter__(self) -> JobProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def answering(self, pictures: int) -> None:
        """Some more pictures of the part at work are answered."""
        self._partly += pictures
        self._show()

    def done(self, part: Done) -> None:
        """A part is done."""
        self._pictures, self._partly = self._pictures + part.pictures, 0
        self._shards += 1
        self._show()

    def _show(self) -> None:
        pictures = self._pictures + self._partly
        if self._plan.pictures is not None:
            self._bar.update(self._task, completed=pictures)
        else:
            words = f"{pictures:,} pictures, shards"
            self._bar.update(self._task, completed=self._shards, description=words)
        now = time.monotonic()
        if self._bar.disable and now - self._told >= EVERY:
            self._told = now
            self._tell(self._line(pictures, now - self._start))

    def _line(self, pictures: int, seconds: float) -> str:
        """Count, rate and time left, in words."""
        rate = (pictures - self._before) / max(seconds, 1e-9)
        if self._plan.pictures is not None:
            said, left = f" of {self._plan.pictures:,} pictures", self._plan.pictures - pictures
            remaining = left / rate if rate else None
        else:
            parts, done = self._plan.parts, self._shards - self._shards_before
            said = f" pictures, {self._shards:,} of {parts:,} shards"
            remaining = (parts - self._shards) * seconds / done if done else None
        text = f"{pictures:,}{said}, {rate:,.0f}/s"
        return text if remaining is None else f"{text}, {timedelta(seconds=round(remaining))} left"
