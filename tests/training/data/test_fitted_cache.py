"""The cache of fitted pictures: exact, bounded, shared by processes, whole after a kill."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.shards_made import jpeg
from tests.training.conftest import quick_config
from tests.training.run.whole_and_cut import same_weights
from training.config.errors import ConfigError
from training.data import batches
from training.data.datasets import load_data
from training.data.fitted_cache import FOLDERS, FittedCache
from training.run.loop import train

SIDE = 8
FILE = 3 * SIDE**2 + 4
LIMIT = 2 * FILE * FOLDERS  # two pictures in each folder

# A process that fills a cache for ever, with pictures that all have the name's number as colour.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from training.data.fitted_cache import FittedCache
cache = FittedCache(Path(sys.argv[1]), 10**9)
print("ready", flush=True)
while True:
    for i in range(200):
        cache.put(f"{i:032x}-64", np.full((64, 64, 3), i, np.uint8))
"""


def name(number: int) -> str:
    """Names of one folder of the cache."""
    return f"{number:032x}-{SIDE}"


def picture(value: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), value, np.uint8)


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of ten JPEGs each, larger than the network sees them."""
    for label, first in (("cat", 0), ("dog", 10)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(first, first + 10):
            (tmp_path / "photos" / label / f"{i}.jpg").write_bytes(jpeg(i, (400, 300)))
    return tmp_path / "photos"


def test_what_is_put_comes_back(tmp_path: Path):
    cache = FittedCache(tmp_path, LIMIT)
    assert cache.get(name(1)) is None
    cache.put(name(1), picture(7))
    assert np.array_equal(cache.get(name(1)), picture(7))
    assert np.array_equal(FittedCache(tmp_path, LIMIT).get(name(1)), picture(7))


def test_names_tell_content_size_and_fit_apart():
    first = FittedCache.name(b"a", 8, "crop", False)
    others = [(b"b", 8, "crop", False), (b"a", 9, "crop", False), (b"a", 8, "squash", False)]
    names = {FittedCache.name(*each) for each in (*others, (b"a", 8, "crop", True))}
    assert len(names | {first}) == 5
    assert first == FittedCache.name(b"a", 8, "crop", False)


def test_a_file_in_pieces_is_thrown_away(tmp_path: Path):
    cache = FittedCache(tmp_path, LIMIT)
    cache.put(name(1), picture(7))
    (file,) = files(tmp_path)
    for damaged in (file.read_bytes()[:-9], b"", bytes(FILE - 1) + b"\1"):
        file.write_bytes(damaged)
        assert cache.get(name(1)) is None
        assert not file.exists()


def test_the_limit_holds_and_what_this_run_uses_stays(tmp_path: Path):
    cache = FittedCache(tmp_path, LIMIT)
    for i in range(4):
        cache.put(name(i), picture(i))
    assert [cache.get(name(i)) is not None for i in range(4)] == [True, True, False, False]
    for file in files(tmp_path):  # as of a run of yesterday
        os.utime(file, (time.time() - 86400,) * 2)
    later = FittedCache(tmp_path, LIMIT)
    assert later.get(name(0)) is not None  # in use again
    later.put(name(2), picture(2))
    later.put(name(3), picture(3))
    assert [later.get(name(i)) is not None for i in range(4)] == [True, False, True, False]
    assert sum(file.stat().st_size for file in files(tmp_path)) == 2 * FILE


def test_killed_writers_leave_whole_pictures_and_their_rest_goes(tmp_path: Path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    reader, deadline = FittedCache(tmp_path, 10**9), time.monotonic() + 20
    while reader.get(f"{199:032x}-64") is None and time.monotonic() < deadline:
        pass
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    found = [reader.get(f"{i:032x}-64") for i in range(200)]
    assert all(np.array_equal(f, np.full((64, 64, 3), i)) for i, f in enumerate(found))
    left = tmp_path / "00" / ".0123456789abcdef-8"
    left.write_bytes(bytes(FILE))
    os.utime(left, (time.time() - 7200,) * 2)
    FittedCache(tmp_path, FOLDERS * FILE).put(name(500), picture(1))
    assert not left.exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--cache .*file: Not a directory"):
        FittedCache(tmp_path / "file", LIMIT)


def test_training_from_the_cache_gives_the_same_weights(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The second run has nothing but the cache to read from, for its pixels."""
    monkeypatch.setattr(batches, "RESIDENT_SHARE", 0.0)
    config = quick_config(
        data=f"folder:{photos}", image_size=72, batch_size=4, epochs=1, backbone="tiny"
    )
    data = load_data(config.data)
    plain = train(config, data, tmp_path / "plain")
    kept = data.with_cache(FittedCache(tmp_path / "cache", 10**9))
    assert same_weights(train(config, kept, tmp_path / "filling"), plain)
    seen = len(data.splits["train"]) + len(data.splits["valid"])
    assert len(files(tmp_path / "cache")) == seen
    for file in photos.rglob("*.jpg"):
        file.unlink()
    again = data.with_cache(FittedCache(tmp_path / "cache", 10**9))
    assert same_weights(train(config, again, tmp_path / "cached"), plain)


def test_training_pictures_are_decoded_at_half_the_size_where_that_is_enough(photos: Path):
    split = load_data(f"folder:{photos}").splits["train"]
    whole, reduced = split.picture(0, 48), replace(split, reduced=True).picture(0, 48)
    assert not np.array_equal(whole, reduced)
    assert np.abs(whole.astype(int) - reduced).mean() < 4
    assert np.array_equal(replace(split, reduced=True).picture(0, 100), split.picture(0, 100))
