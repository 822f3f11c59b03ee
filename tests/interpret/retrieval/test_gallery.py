import dataclasses

import numpy as np
import pytest

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.errors import BundleError
from interpret.bundle.gallery_table import GalleryTable
from interpret.explain.explainer import Explainer
from interpret.retrieval.gallery import Gallery
from interpret.retrieval.vector_index import index_writer


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


@pytest.fixture(scope="module")
def large(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The toy bundle with 3,000 rows around its prototypes, and an index of cells."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 3000)
    embeddings = (np.eye(3)[labels] + 0.2 * random.standard_normal((3000, 3))).astype(np.float32)
    table = GalleryTable(
        np.arange(3000) * 2 + 5, labels, *[[""] * 3000] * 2, [b""] * 3000, [None] * 3000
    )
    return write_bundle(
        tmp_path_factory.mktemp("large") / "toy",
        toy_bundle.manifest,
        model=toy_bundle.read("model.onnx"),
        prototypes=toy_bundle.prototypes,
        embeddings=embeddings,
        gallery=table,
        weights=b"",
        index=index_writer(kind="IVF64,Flat"),
    )


def with_probes(bundle: Bundle, probes: int) -> Bundle:
    assert bundle.manifest.search is not None
    search = bundle.manifest.search.model_copy(update={"probes": probes})
    manifest = bundle.manifest.model_copy(update={"search": search})
    return dataclasses.replace(bundle, manifest=manifest)


def exactly(bundle: Bundle) -> Gallery:
    manifest = bundle.manifest.model_copy(update={"search": None})
    return Gallery(dataclasses.replace(bundle, manifest=manifest, index=None))


def test_an_index_at_full_probes_gives_the_exact_answers(large: Bundle) -> None:
    asked = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    found, exact = (
        Gallery(with_probes(large, 64)).search(asked, 10),
        exactly(large).search(asked, 10),
    )
    np.testing.assert_array_equal(found.rows, exact.rows)
    np.testing.assert_allclose(found.distances, exact.distances, rtol=1e-5)


def test_similar_and_explain_with_an_index(large: Bundle) -> None:
    one, other = Explainer(with_probes(large, 64)), Explainer(large)
    other.gallery = exactly(large)
    pixels = np.random.default_rng(2).integers(0, 256, (4, 4, 3), np.uint8)
    for a, b in (
        (one.similar_to_image(pixels, 9), other.similar_to_image(pixels, 9)),
        (one.similar_to_prototype("green", 9), other.similar_to_prototype("green", 9)),
        (one.explain_pixels(pixels).neighbours, other.explain_pixels(pixels).neighbours),
    ):
        assert [(e.id, e.label) for e in a] == [(e.id, e.label) for e in b]
        assert [e.distance for e in a] == pytest.approx([e.distance for e in b], rel=1e-5)
        assert all(e.thumbnail is None for e in a)  # these rows have no picture


@pytest.mark.parametrize("label", [0, 2])
def test_the_rows_of_one_class_are_searched_exactly(large: Bundle, label: int) -> None:
    asked = np.random.default_rng(3).normal(size=(5, 3)).astype(np.float32)
    found = Gallery(with_probes(large, 1)).search(asked, 10, label)
    own = np.flatnonzero(large.gallery.labels == label)
    away = np.linalg.norm(asked[:, None].astype(float) - large.embeddings[own], axis=2)
    np.testing.assert_array_equal(found.rows, own[away.argsort(1)[:, :10]])
    assert (large.gallery.labels[found.rows] == label).all()


def test_an_index_of_another_gallery_is_refused(large: Bundle) -> None:
    other = dataclasses.replace(large, embeddings=large.embeddings[:-1])
    with pytest.raises(BundleError, match=r"index\.faiss: is not the index of this gallery"):
        Gallery(other)
