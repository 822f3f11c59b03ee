"""The lines that stand for a bar where there is no terminal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from interpret.batch import job_progress
from interpret.batch.run import run_job
from interpret.bundle.bundle import Bundle
from tests.interpret.batch.conftest import png
from tests.shards_made import write_tar


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All lines of a job, one after each batch."""
    monkeypatch.setattr(job_progress, "EVERY", 0.0)
    return []


def test_pictures_rate_and_time_left(
    toy_bundle: Bundle, pictures: Callable[[int], Path], tmp_path: Path, told: list[str]
) -> None:
    folder = pictures(130)
    run_job(toy_bundle.path, [str(folder)], tmp_path / "out", tell=told.append)
    counts = [line.partition(",")[0] for line in told]
    batches = ["64", "64", "128", "128", "130", "130"]  # after each batch, and each part
    assert counts == [f"{count} of 130 pictures" for count in batches]
    assert told[-1].endswith("/s, 0:00:00 left")


def test_archives_are_counted_by_shards(
    toy_bundle: Bundle, tmp_path: Path, told: list[str]
) -> None:
    for name in "ab":
        write_tar(tmp_path / f"{name}.tar", [(f"{i}.png", png("red")) for i in range(3)])
    sources = [str(tmp_path / f"{name}.tar") for name in "ab"]
    run_job(toy_bundle.path, sources, tmp_path / "out", tell=told.append)
    assert [line.rpartition(", 0:")[0].rpartition(",")[0] or line for line in told[1:]] == [
        "3 pictures, 1 of 2 shards",
        "6 pictures, 1 of 2 shards",
        "6 pictures, 2 of 2 shards",
    ]
    assert told[0].startswith("3 pictures, 0 of 2 shards, ")
