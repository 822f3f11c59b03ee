"""Gallery rows taken, and found by their ids."""

import hashlib

import numpy as np

from interpret.bundle.gallery_table import parts_of, pixel_hash
from tests.conftest import toy_gallery


def test_rows_are_taken_and_put_together():
    table, _ = toy_gallery()
    some = table.rows(np.array([4, 1]))
    assert some.ids.tolist() == [14, 11]
    assert some.labels.tolist() == [1, 1]
    assert some.sources == ["e.png", "b.png"]
    assert some.thumbnails == [table.thumbnails[4], table.thumbnails[1]]
    assert some.pixel_hashes == [table.pixel_hashes[4], table.pixel_hashes[1]]


def test_parts_of_a_gallery_are_all_of_its_rows():
    table, embeddings = toy_gallery()
    [part] = parts_of(table, embeddings)
    assert part.table.ids.tolist() == table.ids.tolist()
    np.testing.assert_array_equal(part.embeddings, embeddings)
    [part] = parts_of(table, embeddings, np.array([5, 2]))
    assert part.table.sources == ["f.png", "c.png"]
    np.testing.assert_array_equal(part.embeddings, embeddings[[5, 2]])


def test_the_hash_is_of_the_pixels_in_their_order():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert pixel_hash(pixels) == hashlib.sha256(bytes(range(12))).hexdigest()
    mirrored = bytes([3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8])
    assert pixel_hash(pixels[:, ::-1]) == hashlib.sha256(mirrored).hexdigest()
