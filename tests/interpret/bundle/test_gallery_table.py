"""Gallery rows taken, put together, and read from disk."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from interpret.bundle.gallery_table import gallery_bytes, pixel_hash, read_gallery
from tests.conftest import toy_gallery

NAMES = ["red", "green", "blue"]


def test_rows_are_taken_and_put_together():
    table, _ = toy_gallery()
    some = table.rows(np.array([4, 1]))
    assert some.ids.tolist() == [14, 11]
    assert some.labels.tolist() == [1, 1]
    assert some.sources == ["e.png", "b.png"]
    assert some.thumbnails == [table.thumbnails[4], table.thumbnails[1]]
    assert some.pixel_hashes == [table.pixel_hashes[4], table.pixel_hashes[1]]
    whole = some.extended(table.rows(np.array([0])))
    assert whole.ids.tolist() == [14, 11, 10]
    assert whole.sources == ["e.png", "b.png", "a.png"]
    assert whole.pixel_hashes[2] == table.pixel_hashes[0]


def test_the_hash_is_of_the_pixels_in_their_order():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert pixel_hash(pixels) == hashlib.sha256(bytes(range(12))).hexdigest()
    mirrored = bytes([3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8])
    assert pixel_hash(pixels[:, ::-1]) == hashlib.sha256(mirrored).hexdigest()


def test_a_gallery_of_before_hashes_were_recorded_is_read():
    table, _ = toy_gallery()
    content, pictures = gallery_bytes(table, NAMES), b"".join(table.thumbnails)
    assert read_gallery(Path("g"), content, pictures, NAMES).pixel_hashes == table.pixel_hashes
    older = pq.read_table(io.BytesIO(content)).drop_columns(["pixels_sha256"])
    buffer = io.BytesIO()
    pq.write_table(older, buffer)
    found = read_gallery(Path("g"), buffer.getvalue(), pictures, NAMES)
    assert found.pixel_hashes == [None] * 6
    assert found.ids.tolist() == table.ids.tolist()
    assert found.thumbnails == table.thumbnails
