"""Galleries on disk: written in parts, read back, older ones too."""

import dataclasses
import io
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interpret.bundle.bundle import Bundle, write_parts
from interpret.bundle.errors import BundleError
from interpret.bundle.gallery_files import read_gallery, thumbnail_files, thumbnails_name
from interpret.bundle.gallery_table import GalleryPart
from tests.conftest import toy_gallery, toy_manifest
from tests.interpret.bundle.forge import replace_file

NAMES = ["red", "green", "blue"]


def in_parts(bundle: Bundle, path: Path, sizes: tuple[int, ...]) -> Bundle:
    """The toy bundle, its gallery written in parts of these sizes."""
    table, embeddings = toy_gallery()
    cuts = np.split(np.arange(6), np.cumsum(sizes)[:-1])
    return write_parts(
        path,
        toy_manifest(),
        model=bundle.read("model.onnx"),
        prototypes=bundle.prototypes,
        gallery=(GalleryPart(table.rows(rows), embeddings[rows]) for rows in cuts),
        weights=b"",
    )


def assert_toy(bundle: Bundle) -> None:
    table, embeddings = toy_gallery()
    np.testing.assert_array_equal(bundle.embeddings, embeddings)
    for found, expected in zip(
        *(
            [getattr(each, field.name) for field in dataclasses.fields(table)]
            for each in (bundle.gallery, table)
        ),
        strict=True,
    ):
        assert list(found) == list(expected)
        assert [found[row] for row in (4, 0, 3)] == [expected[row] for row in (4, 0, 3)]
    some = bundle.gallery.rows(np.array([5, 0, 1]))
    assert some.sources == ["f.png", "a.png", "b.png"]
    assert some.thumbnails == [table.thumbnails[row] for row in (5, 0, 1)]


@pytest.mark.parametrize("sizes", [(6,), (2, 1, 3), (0, 6)])
def test_what_was_written_in_parts_is_read(
    toy_bundle: Bundle, tmp_path: Path, sizes: tuple[int, ...]
):
    bundle = in_parts(toy_bundle, tmp_path / "toy", sizes)
    assert_toy(bundle)
    assert (bundle.path / "embeddings.npy").read_bytes() == (
        toy_bundle.path / "embeddings.npy"
    ).read_bytes()
    np.testing.assert_array_equal(np.load(bundle.path / "embeddings.npy"), bundle.embeddings)


def test_large_files_are_mapped(
    toy_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = shutil.copytree(toy_bundle.path, tmp_path / "toy")
    monkeypatch.setattr("interpret.bundle.verified_files.MAPPED_FROM", 1)
    bundle = Bundle.load(path)
    assert_toy(bundle)
    assert not bundle.embeddings.flags.owndata
    # Another bundle takes the place: the pictures of this one stay.
    shutil.rmtree(path)
    assert_toy(bundle)
    again = shutil.copytree(toy_bundle.path, path)
    content = bytearray((again / "embeddings.npy").read_bytes())
    content[-1] ^= 1
    (again / "embeddings.npy").write_bytes(content)
    with pytest.raises(BundleError, match=r"embeddings\.npy: changed"):
        Bundle.load(again)
    for wrong, words in (
        (np.full((6, 3), np.nan, np.float32), "not finite"),
        (np.eye(3), "float64 of 2"),
        (np.asfortranarray(np.eye(6, 3, dtype=np.float32)), "not rows of numbers"),
    ):
        buffer = io.BytesIO()
        np.save(buffer, wrong)
        replace_file(again, "embeddings.npy", buffer.getvalue())
        with pytest.raises(BundleError, match=words):
            Bundle.load(again)
    replace_file(again, "embeddings.npy", buffer.getvalue()[:-8])
    with pytest.raises(BundleError, match=r"embeddings\.npy: not a NumPy array"):
        Bundle.load(again)


def test_thumbnails_stand_in_files_of_bounded_size(
    toy_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table, _ = toy_gallery()
    most = max(map(len, table.thumbnails))
    monkeypatch.setattr("interpret.bundle.gallery_files.THUMBNAILS_SIZE", most + 1)
    bundle = in_parts(toy_bundle, tmp_path / "toy", (4, 2))
    names = ["thumbnails.bin", "thumbnails-001.bin", "thumbnails-002.bin"]
    assert sorted(f.name for f in bundle.path.glob("*.bin")) == sorted(names)
    assert all((bundle.path / name).stat().st_size <= 2 * most for name in names)
    assert_toy(Bundle.load(bundle.path))


def test_further_files_of_thumbnails_wait_for_their_first_picture(
    toy_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("interpret.bundle.gallery_files.THUMBNAILS_SIZE", 1)
    path = in_parts(toy_bundle, tmp_path / "toy", (6,)).path
    table, _ = toy_gallery()
    file = path / thumbnails_name(3)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    damaged = Bundle.load(path)
    assert damaged.gallery.thumbnails[2] == table.thumbnails[2]
    with pytest.raises(BundleError, match=r"thumbnails-003\.bin: changed since it was written"):
        damaged.gallery.thumbnails[3]
    file.write_bytes(content[:-1])
    with pytest.raises(BundleError, match=r"thumbnails-003\.bin: changed"):
        Bundle.load(path)
    file.unlink()
    with pytest.raises(BundleError, match=r"thumbnails-003\.bin: No such file"):
        Bundle.load(path)


def test_columns_are_read_a_row_group_at_a_time(toy_bundle: Bundle, tmp_path: Path):
    path = shutil.copytree(toy_bundle.path, tmp_path / "toy")
    buffer = io.BytesIO()
    pq.write_table(pq.read_table(path / "gallery.parquet"), buffer, row_group_size=2)
    replace_file(path, "gallery.parquet", buffer.getvalue())
    assert_toy(Bundle.load(path))


def test_a_gallery_of_before_hashes_were_recorded_is_read(toy_bundle: Bundle, tmp_path: Path):
    path = shutil.copytree(toy_bundle.path, tmp_path / "toy")
    older = pq.read_table(path / "gallery.parquet").drop_columns(
        ["pixels_sha256", "thumbnail_file"]
    )
    buffer = io.BytesIO()
    pq.write_table(older, buffer)
    replace_file(path, "gallery.parquet", buffer.getvalue())
    found = Bundle.load(path).gallery
    assert found.pixel_hashes == [None] * 6
    assert found.ids.tolist() == [10, 11, 12, 13, 14, 15]
    assert found.thumbnails == toy_gallery()[0].thumbnails


def test_a_picture_in_a_file_that_is_not_there(toy_bundle: Bundle):
    table = pq.read_table(toy_bundle.path / "gallery.parquet")
    pictures = thumbnail_files(toy_bundle.path, toy_bundle.manifest.files)
    place = table.schema.get_field_index("thumbnail_file")
    for number in (1, -1):
        column = pa.array([number] * 6, pa.int32())
        wrong, buffer = table.set_column(place, "thumbnail_file", column), io.BytesIO()
        pq.write_table(wrong, buffer)
        with pytest.raises(BundleError, match=r"a thumbnail lies outside thumbnails\.bin"):
            read_gallery(Path("g"), buffer.getvalue(), pictures, NAMES)


def test_numbers_take_as_few_bytes_as_they_can(toy_bundle: Bundle, tmp_path: Path):
    assert toy_bundle.gallery.labels.dtype == np.int16
    many = [*NAMES, *(f"class {i}" for i in range(2**15))]
    content = (toy_bundle.path / "gallery.parquet").read_bytes()
    pictures = thumbnail_files(toy_bundle.path, toy_bundle.manifest.files)
    assert read_gallery(Path("g"), content, pictures, many).labels.dtype == np.int32
    path = shutil.copytree(toy_bundle.path, tmp_path / "toy")
    table, buffer = pq.read_table(path / "gallery.parquet"), io.BytesIO()
    ids = [1, 2, 3, 4, 5, 2**40]
    pq.write_table(table.set_column(0, "id", pa.array(ids)), buffer, row_group_size=4)
    replace_file(path, "gallery.parquet", buffer.getvalue())
    bundle = Bundle.load(path)
    assert bundle.gallery.ids.tolist() == ids
    assert bundle.gallery_row(2**40) == 5
    assert bundle.next_gallery_id == 2**40 + 1
