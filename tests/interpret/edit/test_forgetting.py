"""Training images forgotten: what is gone from the bytes, what is computed anew, the receipt."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.errors import DpnpError, UnknownExampleError
from interpret.edit.classes import add_class
from interpret.edit.corrections import RECENT, CorrectionsFile
from interpret.edit.forgetting import forget
from interpret.edit.gallery_update import update_gallery
from tests.interpret.edit.test_corrections import correction
from tests.interpret.trust.simulated import calibration


def with_features(bundle: Bundle, path: Path, **changes: object) -> Bundle:
    """The toy bundle with its embeddings for features."""
    return write_bundle(
        path,
        bundle.manifest.model_copy(update=changes),
        model=bundle.read("model.onnx"),
        prototypes=bundle.prototypes,
        embeddings=bundle.embeddings,
        gallery=bundle.gallery,
        weights=b"",
        features=bundle.embeddings,
    )


def test_a_picture_is_gone_from_every_file(toy_bundle: Bundle, tmp_path: Path):
    before = with_features(toy_bundle, tmp_path / "before")
    secret = before.gallery.thumbnails[1]
    found = forget(before, [11], tmp_path / "after")
    after = Bundle.load(tmp_path / "after")
    assert after.gallery.ids.tolist() == [10, 12, 13, 14, 15]
    assert len(after.embeddings) == 5
    assert after.features().tolist() == before.features()[[0, 2, 3, 4, 5]].tolist()
    assert not any(secret in file.read_bytes() for file in after.path.iterdir())
    assert after.next_gallery_id == 16
    receipt = json.loads(json.dumps(found.receipt))
    assert receipt["removed"] == [
        {
            "id": 11,
            "label": "green",
            "pixels_sha256": before.gallery.pixel_hashes[1],
            "near_duplicate_of": None,
        }
    ]
    assert receipt["bundle"] == {
        "before": before.manifest.fingerprint,
        "after": after.manifest.fingerprint,
    }
    files = receipt["files"]
    assert files["thumbnails.bin"]["after"] == after.manifest.files["thumbnails.bin"].sha256
    assert files["model.onnx"]["before"] == files["model.onnx"]["after"]
    assert any("weights of the network" in left for left in receipt["not_undone"])
    assert receipt["recomputed"] == []
    assert "b.png" not in json.dumps(receipt)  # a source may be a name


def test_the_mean_of_an_added_class_is_computed_anew(
    toy_bundle: Bundle, yellows: Path, tmp_path: Path
):
    limited = with_features(toy_bundle, tmp_path / "limited", calibration=calibration())
    added = add_class(limited, "yellow", yellows, tmp_path / "added")
    assert added.features().shape == (8, 3)
    found = forget(added, [16], tmp_path / "after")
    after = found.bundle
    np.testing.assert_allclose(after.prototypes[3], added.embeddings[7], rtol=1e-6)
    np.testing.assert_array_equal(after.prototypes[:3], added.prototypes[:3])
    assert found.receipt["recomputed"] == [
        "prototype of class 'yellow', from 1 pictures",
        "limits of class 'yellow'",
    ]
    assert after.manifest.calibration.pooled[-1] == "yellow"  # one picture has no quantile
    assert not any("weights of the network" in left for left in found.receipt["not_undone"])
    with pytest.raises(DpnpError, match="remove-class"):
        forget(added, [16, 17], tmp_path / "none")


def test_near_duplicates_and_corrections_go_along(toy_bundle: Bundle, tmp_path: Path):
    noise = np.random.default_rng(0).integers(60, 200, (4, 4, 3), dtype=np.uint8)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, pixels in (("a", noise), ("b", noise + 6), ("c", 255 - noise)):
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.NEAREST).save(
            folder / f"{name}.png"
        )
    added = add_class(toy_bundle, "noise", folder, tmp_path / "added")
    digest = added.gallery.pixel_hashes[6]
    with CorrectionsFile(tmp_path / "f", create=True) as file:
        file.add(correction(digest))
        file.add(correction("another"))
    found = forget(added, [16], tmp_path / "after", near=True, feedback=tmp_path / "f")
    assert [(e["id"], e["near_duplicate_of"]) for e in found.receipt["removed"]] == [
        (16, None),
        (17, 16),
    ]
    assert found.receipt["corrections_removed"] == 1
    with CorrectionsFile(tmp_path / "f") as file:
        assert [each.pixels_sha256 for each in file.latest()] == ["another"]


def test_an_answer_that_may_be_corrected_goes_along(toy_bundle: Bundle, tmp_path: Path):
    own, place = toy_bundle.gallery.pixel_hashes[1], tmp_path / "f"
    with CorrectionsFile(place, create=True) as file:
        file.add(correction(own))
    with closing(sqlite3.connect(f"{place}{RECENT}")) as recent, recent:
        recent.execute("CREATE TABLE answers (pixels_sha256 TEXT, picture BLOB)")
        recent.executemany(
            "INSERT INTO answers VALUES (?, ?)", [(own, b"secret pixels"), ("another", b"kept")]
        )
    assert forget(toy_bundle, [11], tmp_path / "after", feedback=place).receipt[
        "corrections_removed"
    ]
    with closing(sqlite3.connect(f"{place}{RECENT}")) as recent:
        assert recent.execute("SELECT pixels_sha256 FROM answers").fetchall() == [("another",)]
    assert b"secret" not in Path(f"{place}{RECENT}").read_bytes()


def test_corrections_stay_where_no_bundle_could_be_written(toy_bundle: Bundle, tmp_path: Path):
    with CorrectionsFile(tmp_path / "f", create=True) as file:
        file.add(correction(toy_bundle.gallery.pixel_hashes[1]))
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(DpnpError):
        forget(toy_bundle, [11], tmp_path / "out", feedback=tmp_path / "f")
    with CorrectionsFile(tmp_path / "f") as file:
        assert len(file) == 1


def test_a_bundle_without_hashes_says_whose_corrections_it_cannot_find(
    toy_bundle: Bundle, tmp_path: Path
):
    nameless = replace(toy_bundle.gallery, pixel_hashes=[None] * 6)
    old = replace(toy_bundle, gallery=nameless)
    CorrectionsFile(tmp_path / "f", create=True).close()
    receipt = forget(old, [11, 13], tmp_path / "after", feedback=tmp_path / "f").receipt
    assert receipt["corrections_removed"] == 0
    assert any("the training images 11, 13 in f" in left for left in receipt["not_undone"])


def test_a_prototype_that_may_hold_the_picture_still_is_named(toy_bundle: Bundle, tmp_path: Path):
    """The gallery changed since: of which pictures the prototype was made is not known any more."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number, colour in enumerate([(200, 40, 90), (30, 180, 60), (90, 90, 220)]):
        Image.new("RGB", (8, 8), colour).save(folder / f"{number}.png")
    added = add_class(toy_bundle, "mixed", folder, tmp_path / "added")
    fewer = update_gallery(added, {}, [17], tmp_path / "fewer").bundle
    receipt = forget(fewer, [16], tmp_path / "after").receipt
    assert receipt["recomputed"] == []
    assert any("the prototype and the limits of class 'mixed'" in x for x in receipt["not_undone"])


def test_an_unknown_id_changes_nothing(toy_bundle: Bundle, tmp_path: Path):
    with pytest.raises(UnknownExampleError, match="no training image 99"):
        forget(toy_bundle, [10, 99], tmp_path / "after")
    assert not (tmp_path / "after").exists()
