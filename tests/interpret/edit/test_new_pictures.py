"""New pictures read in chunks, and copies told from the rest."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import ImageError
from interpret.bundle.gallery_table import GalleryPart
from interpret.edit import new_pictures
from interpret.edit.new_pictures import picture_files, read_pictures, without_copies


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures, each a little brighter than the one before."""
    folder = tmp_path_factory.mktemp("pictures") / "grey"
    folder.mkdir()
    for i in range(7):
        Image.new("RGB", (8, 6), (10 * i, 10 * i, 10 * i)).save(folder / f"{i}.png")
    return folder


def test_pictures_are_read_in_order_whatever_the_chunk(
    toy_bundle: Bundle, greys: Path, monkeypatch: pytest.MonkeyPatch
):
    files = picture_files(greys)
    assert [file.name for file in files] == [f"{i}.png" for i in range(7)]
    whole = read_pictures(toy_bundle, files)
    np.testing.assert_allclose(whole.prediction.embedding[:, 0] * 255, np.arange(0, 70, 10))
    monkeypatch.setattr(new_pictures, "CHUNK", 3)
    parts = read_pictures(toy_bundle, files)
    assert parts.thumbnails == whole.thumbnails
    assert parts.pixel_hashes == whole.pixel_hashes
    np.testing.assert_array_equal(parts.prediction.embedding, whole.prediction.embedding)


def test_rows_of_the_gallery(toy_bundle: Bundle, greys: Path):
    some = read_pictures(toy_bundle, picture_files(greys)).part([5, 2])
    table = some.table([1, 0], 40)
    assert table.ids.tolist() == [40, 41]
    assert table.labels.tolist() == [1, 0]
    assert table.splits == ["added", "added"]
    assert table.sources == ["grey/5.png", "grey/2.png"]
    np.testing.assert_allclose(some.prediction.embedding[:, 0] * 255, [50, 20])


def test_a_copy_is_told_by_its_pixels(toy_bundle: Bundle, greys: Path):
    new = read_pictures(toy_bundle, picture_files(greys))
    table = new.part([4]).table([0], 9)
    twice = new.part([4, 1, 1])
    kept, copies = without_copies(twice, [GalleryPart(table, new.prediction.embedding[[4]])])
    assert kept == [1]
    assert copies == [
        (greys / "4.png", "training image 9"),
        (greys / "1.png", str(greys / "1.png")),
    ]
    unhashed = dataclasses.replace(table, pixel_hashes=[None])
    assert without_copies(twice, [GalleryPart(unhashed, new.prediction.embedding[[4]])])[0] == [1]
    # The same thumbnail at another place in the embedding: details that the thumbnail lost.
    elsewhere = GalleryPart(unhashed, new.prediction.embedding[[1]])
    assert without_copies(twice, [elsewhere])[0] == [0, 1]


def test_folders_without_pictures(tmp_path: Path):
    with pytest.raises(ImageError, match="no pictures in it"):
        picture_files(tmp_path)
    with pytest.raises(ImageError, match="none: no such folder"):
        picture_files(tmp_path / "none")


def test_a_bad_picture_is_named_and_skipped(
    toy_bundle: Bundle, greys: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "half.png").write_bytes((greys / "1.png").read_bytes()[:40])
    (tmp_path / "._stub.png").touch()
    with pytest.raises(ImageError, match="none of 1 pictures can be read"):
        read_pictures(toy_bundle, picture_files(tmp_path))
    (tmp_path / "whole.png").write_bytes((greys / "1.png").read_bytes())
    new = read_pictures(toy_bundle, picture_files(tmp_path))
    assert (new.files, len(new.thumbnails), len(new.pixel_hashes)) == (
        [tmp_path / "whole.png"],
        1,
        1,
    )
    np.testing.assert_allclose(new.prediction.embedding * 255, [[10, 10, 10]])
    assert f"skipped {tmp_path}/half.png: the picture's header is corrupt" in caplog.text
    with pytest.raises(ImageError, match=r"half\.png: the picture's header is corrupt"):
        read_pictures(toy_bundle, picture_files(tmp_path), strict=True)
