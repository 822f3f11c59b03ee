"""Arrays and galleries of a bundle that do not fit are refused by name."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.errors import BundleError
from tests.interpret.bundle.forge import assert_refused, npy, replace_file


def _archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.eye(3))
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["prototypes.npy", "embeddings.npy"])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a NumPy array"),
        (b"junk", "not a NumPy array"),
        (_archive(), "not a NumPy array"),
        (npy(np.eye(3, dtype=np.float32))[:-1], "not a NumPy array"),
        (npy(np.eye(3)), "float64 of 2 dimensions"),
        (npy(np.ones(3, np.float32)), "float32 of 1 dimensions"),
        (npy(np.full((3, 3), np.nan, np.float32)), "not finite"),
        (npy(np.full((3, 3), np.inf, np.float32)), "not finite"),
        (npy(np.eye(2, 3, dtype=np.float32)), "shape (2, 3), not"),
        (npy(np.eye(3, 4, dtype=np.float32)), "shape (3, 4), not"),
    ],
)
def test_arrays_that_do_not_fit(copy: Path, name: str, data: bytes, words: str) -> None:
    replace_file(copy, name, data)
    assert_refused(copy, name, words)


@pytest.mark.parametrize(
    ("row", "good"), [((1.0001, 0, 0), False), ((1.00005, 0, 0), True), ((0, 0, 0), False)]
)
def test_norms_are_the_radius(copy: Path, row: tuple[float, ...], good: bool) -> None:
    prototypes = np.eye(3, dtype=np.float32)
    prototypes[0] = np.array(row) * (1 + 1e-5)
    replace_file(copy, "prototypes.npy", npy(prototypes))
    if good:
        np.testing.assert_array_equal(Bundle.load(copy).prototypes, prototypes)
    else:
        assert_refused(copy, "prototypes.npy", "norms")


def _gallery(**columns: object) -> bytes:
    fields = {
        "id": [1, 2],
        "label": ["red", "blue"],
        "split": ["train", "train"],
        "source": ["a", "b"],
        "thumbnail_start": [0, 1],
        "thumbnail_end": [1, 2],
    }
    table = pa.table({k: v for k, v in (fields | columns).items() if v is not None})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a gallery"),
        (b"PAR1 junk PAR1", "not a gallery"),
        (_gallery(id=None), "not a gallery"),
        (_gallery(id=[1, 1]), "ids are not unique"),
        (_gallery(id=[1, None]), "not a gallery"),
        (_gallery(id=["a", "b"]), "not a gallery"),
        (_gallery(label=["red", "pink"]), "pink"),
        (_gallery(label=["red", None]), "not a gallery"),
        (_gallery(thumbnail_start=[0, None]), "not a gallery"),
        (_gallery(thumbnail_start=[-1, 1]), "outside thumbnails.bin"),
        (_gallery(thumbnail_end=[1, 10**6]), "outside thumbnails.bin"),
        (_gallery(thumbnail_start=[0, 3]), "outside thumbnails.bin"),
    ],
)
def test_galleries_that_do_not_fit(copy: Path, data: bytes, words: str) -> None:
    replace_file(copy, "gallery.parquet", data)
    assert_refused(copy, "gallery.parquet", words)


def test_gallery_and_embeddings_have_the_same_rows(copy: Path) -> None:
    replace_file(copy, "gallery.parquet", _gallery())
    assert_refused(copy, "embeddings.npy", "shape (6, 3), not (2, 3)")


def test_features_have_a_row_for_each_picture_of_the_gallery(toy_bundle: Bundle, tmp_path: Path):
    parts = {name: toy_bundle.read(name) for name in ("model.onnx", "weights.safetensors")}

    def write(rows: int) -> Bundle:
        return write_bundle(
            tmp_path / "toy",
            toy_bundle.manifest,
            model=parts["model.onnx"],
            prototypes=toy_bundle.prototypes,
            embeddings=toy_bundle.embeddings,
            gallery=toy_bundle.gallery,
            weights=parts["weights.safetensors"],
            features=np.full((rows, 5), 0.5),
        )

    assert toy_bundle.features() is None
    found = Bundle.load(write(6).path).features()
    assert found is not None
    assert (found.dtype, found.shape, found[0, 0]) == (np.float16, (6, 5), 0.5)
    with pytest.raises(BundleError, match=r"features\.npy: 5 rows for a gallery of 6"):
        write(5)
