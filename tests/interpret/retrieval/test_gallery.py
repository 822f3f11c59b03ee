import dataclasses

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.gallery_table import GalleryTable
from interpret.retrieval.gallery import Gallery


def gallery_of(bundle: Bundle, embeddings: np.ndarray) -> Gallery:
    rows, size = embeddings.shape
    table = GalleryTable(np.arange(rows), np.zeros(rows, int), *[[""] * rows] * 4)
    manifest = bundle.manifest.model_copy(update={"embedding_dim": size})
    return Gallery(
        dataclasses.replace(
            bundle, manifest=manifest, embeddings=embeddings.astype(np.float32), gallery=table
        )
    )


def test_by_hand(toy_bundle: Bundle) -> None:
    gallery = Gallery(toy_bundle)
    assert len(gallery) == 6
    found = gallery.search(np.array([[1, 0.1, 0], [0, 0, 0.6]], np.float32), 3)
    np.testing.assert_array_equal(found.rows[0], [0, 3, 4])  # red, dark red, dark green
    np.testing.assert_array_equal(found.rows[1][:2], [5, 2])  # dark blue, blue
    np.testing.assert_allclose(found.distances[0], np.sqrt([0.01, 0.26, 1.16]), rtol=1e-6)
    np.testing.assert_allclose(found.distances[1][:2], [0.1, 0.4], rtol=1e-6)


@pytest.mark.parametrize("queries", [1, 7, 64])  # FAISS changes its method at 20
@pytest.mark.parametrize("size", [3, 64])
def test_equals_brute_force(toy_bundle: Bundle, queries: int, size: int) -> None:
    rng = np.random.default_rng(size)
    stored = rng.normal(size=(500, size)).astype(np.float32)
    asked = rng.normal(size=(queries, size)).astype(np.float32)
    found = gallery_of(toy_bundle, stored).search(asked, 9)
    a, b = asked.astype(float), stored.astype(float)
    truth = np.linalg.norm(a[:, None] - b, axis=2)
    np.testing.assert_array_equal(found.rows, truth.argsort(1)[:, :9])
    np.testing.assert_allclose(found.distances, np.sort(truth, 1)[:, :9], atol=2e-6)


@pytest.mark.parametrize("queries", [1, 64])
def test_digits_near_zero_at_norms_of_forty(toy_bundle: Bundle, queries: int) -> None:
    # 40² is 1600: distances expanded into products would be off by about 0.01 here.
    stored = np.zeros((50, 3), np.float32)
    stored[:, 0], stored[:, 1] = 40, np.arange(50) * 1e-3
    asked = np.repeat(stored[:1], queries, 0)
    found = gallery_of(toy_bundle, stored).search(asked, 50)
    np.testing.assert_allclose(found.distances, np.tile(stored[:, 1], (queries, 1)), atol=1e-7)
    np.testing.assert_array_equal(found.rows[0], np.arange(50))


def test_k_beyond_the_gallery(toy_bundle: Bundle) -> None:
    found = Gallery(toy_bundle).search(np.ones((2, 3), np.float32), 100)
    assert found.rows.shape == found.distances.shape == (2, 6)
    assert sorted(found.rows[0]) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("k", [0, 5])
def test_an_empty_gallery(toy_bundle: Bundle, k: int) -> None:
    gallery = gallery_of(toy_bundle, np.empty((0, 3)))
    found = gallery.search(np.ones((2, 3), np.float32), k)
    assert len(gallery) == 0
    assert found.rows.shape == found.distances.shape == (2, 0)


def test_no_queries_and_negative_k(toy_bundle: Bundle) -> None:
    assert Gallery(toy_bundle).search(np.empty((0, 3), np.float32), 2).rows.shape == (0, 2)
    with pytest.raises(ValueError, match="k is -1"):
        Gallery(toy_bundle).search(np.ones((1, 3), np.float32), -1)
