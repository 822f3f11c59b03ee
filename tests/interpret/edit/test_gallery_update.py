"""Galleries changed without training: ids, and pictures that are there already."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.errors import DpnpError, UnknownExampleError, UnknownLabelError
from interpret.bundle.gallery_table import pixel_hash
from interpret.edit.gallery_update import update_gallery

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"


def save(path: Path, *colour: int, side: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), colour).save(path)
    return path


def of_an_older_release(bundle: Bundle, path: Path) -> Bundle:
    """The bundle without the hashes and the counter that newer ones have."""
    gallery = bundle.gallery
    return write_bundle(
        path,
        bundle.manifest.model_copy(update={"next_gallery_id": None}),
        model=bundle.read("model.onnx"),
        prototypes=bundle.prototypes,
        embeddings=bundle.embeddings,
        gallery=dataclasses.replace(gallery, pixel_hashes=[None] * len(gallery.ids)),
        weights=b"",
    )


def test_the_gallery_changes_and_the_model_does_not(
    toy_bundle: Bundle, yellows: Path, tmp_path: Path
):
    new, copies, *_ = update_gallery(toy_bundle, {"red": yellows}, [15, 11], tmp_path / "new")
    assert copies == []
    assert new.gallery.ids.tolist() == [10, 12, 13, 14, 16, 17]  # 15 is not given again
    assert new.gallery.labels.tolist() == [0, 2, 0, 1, 0, 0]
    assert new.gallery.sources[4:] == ["yellow/a.png", "yellow/b.png"]
    yellow = np.full((4, 4, 3), (255, 255, 0), np.uint8)
    assert Bundle.load(new.path).gallery.pixel_hashes[4] == pixel_hash(yellow)
    np.testing.assert_allclose(new.embeddings[4], [1, 1, 0], atol=1e-6)
    assert new.read("model.onnx") == toy_bundle.read("model.onnx")
    assert new.manifest.metrics == toy_bundle.manifest.metrics
    assert new.manifest.changes[-1].what == "gallery: 2 pictures added, 2 removed"


def test_an_id_is_never_given_again(toy_bundle: Bundle, yellows: Path, tmp_path: Path):
    less = update_gallery(toy_bundle, {}, [15], tmp_path / "less").bundle
    assert less.gallery.ids.max() == 14
    added = update_gallery(Bundle.load(less.path), {"red": yellows}, [], tmp_path / "added").bundle
    assert added.gallery.ids.tolist() == [10, 11, 12, 13, 14, 16, 17]
    empty = update_gallery(added, {}, added.gallery.ids.tolist(), tmp_path / "empty").bundle
    again = update_gallery(empty, {"red": yellows}, [], tmp_path / "again").bundle
    assert again.gallery.ids.tolist() == [18, 19]


def test_pictures_that_are_there_already_are_named_and_left_out(toy_bundle: Bundle, tmp_path: Path):
    folder = tmp_path / "more"
    red = save(folder / "a red.png", 255, 0, 0, side=9)  # of another size, the same to the network
    first = save(folder / "b.png", 9, 8, 7)
    second = save(folder / "c.png", 9, 8, 7)
    save(folder / "d.png", 9, 8, 6)
    new, copies, *_ = update_gallery(toy_bundle, {"green": folder}, [], tmp_path / "new")
    assert copies == [(red, "training image 10"), (second, str(first))]
    assert new.gallery.sources[6:] == ["more/b.png", "more/d.png"]
    assert new.gallery.ids[6:].tolist() == [16, 17]
    with pytest.raises(DpnpError, match="all 4 pictures are in the gallery already"):
        update_gallery(new, {"green": folder}, [], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_a_removed_picture_may_come_again_with_another_label(toy_bundle: Bundle, tmp_path: Path):
    save(tmp_path / "reds" / "a.png", 255, 0, 0)
    new, copies, *_ = update_gallery(
        toy_bundle, {"blue": tmp_path / "reds"}, [10], tmp_path / "new"
    )
    assert copies == []
    assert (new.gallery.ids[-1], new.gallery.labels[-1]) == (16, 2)


def test_older_galleries_are_compared_by_thumbnail_and_embedding(
    toy_bundle: Bundle, tmp_path: Path
):
    old = of_an_older_release(toy_bundle, tmp_path / "old")
    assert old.gallery.pixel_hashes == [None] * 6
    (tmp_path / "more").mkdir()
    copy = tmp_path / "more" / "a.webp"
    copy.write_bytes(old.gallery.thumbnails[4])  # tiny ones are kept without loss
    save(tmp_path / "more" / "b.png", 0, 126, 0)
    new, copies, *_ = update_gallery(old, {"red": tmp_path / "more"}, [], tmp_path / "new")
    assert copies == [(copy, "training image 14")]
    assert new.gallery.ids.tolist() == [10, 11, 12, 13, 14, 15, 16]
    # The same thumbnail with another embedding is another picture: it had details to lose.
    moved = dataclasses.replace(old, embeddings=old.embeddings * 2)
    assert update_gallery(moved, {"red": tmp_path / "more"}, [], tmp_path / "both").copies == []


def test_a_committed_bundle_knows_its_own_pictures(tmp_path: Path):
    bundle = Bundle.load(DIGITS)
    (tmp_path / "more").mkdir()
    copy = tmp_path / "more" / "a.webp"
    copy.write_bytes(bundle.gallery.thumbnails[3])
    save(tmp_path / "more" / "b.png", 1, 2, 3)
    label = bundle.manifest.class_names[0]
    new, copies, *_ = update_gallery(bundle, {label: tmp_path / "more"}, [], tmp_path / "new")
    assert copies == [(copy, f"training image {bundle.gallery.ids[3]}")]
    assert new.gallery.ids[-1] == bundle.gallery.ids.max() + 1


def test_bad_wishes(toy_bundle: Bundle, yellows: Path, tmp_path: Path):
    out = tmp_path / "never"
    with pytest.raises(UnknownExampleError):
        update_gallery(toy_bundle, {}, [99], out)
    with pytest.raises(UnknownLabelError):
        update_gallery(toy_bundle, {"pink": yellows}, [], out)
    assert not out.exists()


def test_two_folders_for_a_class(toy_bundle: Bundle, tmp_path: Path):
    for name, colour in (("one", (9, 9, 9)), ("two", (99, 9, 9))):
        save(tmp_path / name / "a.png", *colour)
    both = {"red": [tmp_path / "one", tmp_path / "two"]}
    assert len(update_gallery(toy_bundle, both, [], tmp_path / "new").bundle.gallery.ids) == 8
    with pytest.raises(DpnpError, match=r"a\.png: given to two classes"):
        update_gallery(toy_bundle, both | {"green": tmp_path / "one"}, [], tmp_path / "never")


def test_an_id_given_twice_is_one_picture(toy_bundle: Bundle, tmp_path: Path):
    less = update_gallery(toy_bundle, {}, [15, 15], tmp_path / "less").bundle
    assert less.manifest.changes[-1].what == "gallery: 0 pictures added, 1 removed"
