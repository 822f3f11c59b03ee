import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.bundle import FILES, Bundle
from interpret.bundle.errors import BundleError, DpnpError, UnknownExampleError, UnknownLabelError
from tests.conftest import toy_gallery
from tests.interpret.bundle.forge import (
    Document,
    assert_refused,
    change_manifest,
    npy,
    replace_file,
)

EVERY_FILE = [*FILES, "manifest.json"]


def test_round_trip(toy_bundle: Bundle) -> None:
    loaded = Bundle.load(toy_bundle.path)
    gallery, embeddings = toy_gallery()
    np.testing.assert_array_equal(loaded.prototypes, np.eye(3))
    np.testing.assert_array_equal(loaded.embeddings, embeddings)
    np.testing.assert_array_equal(loaded.gallery.ids, [10, 11, 12, 13, 14, 15])
    np.testing.assert_array_equal(loaded.gallery.labels, [0, 1, 2, 0, 1, 2])
    assert loaded.gallery.splits == gallery.splits
    assert loaded.gallery.sources == gallery.sources
    assert loaded.gallery.thumbnails == gallery.thumbnails
    assert loaded.manifest == toy_bundle.manifest
    assert sorted(p.name for p in toy_bundle.path.iterdir()) == sorted(EVERY_FILE)


def test_names(toy_bundle: Bundle) -> None:
    assert [toy_bundle.class_index(name) for name in ("red", "green", "blue")] == [0, 1, 2]
    assert toy_bundle.gallery_row(14) == 4
    with pytest.raises(UnknownLabelError, match="no class 'rot'; the classes are red, green, blue"):
        toy_bundle.class_index("rot")
    with pytest.raises(UnknownExampleError, match="no training image 9 "):
        toy_bundle.gallery_row(9)
    assert issubclass(UnknownLabelError, DpnpError)


def test_a_hundred_classes_are_not_all_listed(toy_bundle: Bundle) -> None:
    names = [f"c{i}" for i in range(100)]
    manifest = toy_bundle.manifest.model_copy(update={"class_names": names})
    many = Bundle(
        toy_bundle.path, manifest, toy_bundle.prototypes, toy_bundle.embeddings, toy_bundle.gallery
    )
    with pytest.raises(UnknownLabelError, match=r"c19 and 80 more$"):
        many.class_index("x")


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_flipped_byte_is_found_and_named(copy: Path, name: str) -> None:
    file = copy / name
    content = file.read_bytes()
    step = max(len(content) // 40, 1)
    for position in {*range(0, len(content), step), len(content) - 1} if content else ():
        for mask in (0xFF, 0x01, 0x80):
            damaged = bytearray(content)
            damaged[position] ^= mask
            file.write_bytes(damaged)
            assert_refused(copy, name)
    file.write_bytes(content + b"\n")
    assert_refused(copy, name)
    file.write_bytes(content)
    assert Bundle.load(copy).manifest.name == "toy"


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert_refused(copy, name, "No such file")


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_folder_in_place_of_a_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    (copy / name).mkdir()
    assert_refused(copy, name)


def test_a_file_changed_after_loading_is_found_when_read_again(copy: Path) -> None:
    bundle = Bundle.load(copy)
    (copy / "model.onnx").write_bytes(b"another")
    with pytest.raises(BundleError, match=r"model\.onnx: changed"):
        bundle.read("model.onnx")


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "3", "\xff", '{"format_version": 1}'])
def test_a_manifest_that_is_none(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_bytes(text.encode("latin-1"))
    assert_refused(copy, "manifest.json: not a bundle's manifest")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_an_unknown_format_version(copy: Path, version: object) -> None:
    change_manifest(copy, lambda document: document.update(format_version=version))
    assert_refused(copy, "manifest.json", f"format version {version!r}", "reads version 1")


def test_every_key_of_the_manifest_is_needed_but_what_later_changes_add(copy: Path) -> None:
    text = (copy / "manifest.json").read_text()
    later = {"quantization", "calibration", "changes", "effort"}
    later |= {
        "next_gallery_id",
        "fit",
        "gallery_mode",
        "gallery_url",
        "search",
    }  # older bundles have none of them
    for key in json.loads(text).keys() - later:
        (copy / "manifest.json").write_text(text)
        if key == "fingerprint":
            document = json.loads(text)
            del document[key]
            (copy / "manifest.json").write_text(json.dumps(document))
        else:
            change_manifest(copy, lambda document, key=key: document.pop(key))
        assert_refused(copy, "manifest.json")
    (copy / "manifest.json").write_text(text)
    change_manifest(copy, lambda document: [document.pop(k) for k in ("calibration", "changes")])
    assert Bundle.load(copy).manifest.changes == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(licence="MIT"), ("licence", "Extra inputs")),
        (lambda d: d["metrics"].update(f1=0.5), ("metrics.f1",)),
        (lambda d: d.update(radius=-1.0), ("radius", "greater than 0")),
        (lambda d: d.update(metric="manhattan"), ("metric",)),
        (lambda d: d.update(class_names=["red", "red", "blue"]), ("not distinct",)),
        (lambda d: d["files"].pop("weights.safetensors"), ("does not list weights.safetensors",)),
        (lambda d: d["files"]["model.onnx"].update(sha256="0" * 63), ("files.model.onnx.sha256",)),
        (lambda d: d["files"]["model.onnx"].update(size=1), ("model.onnx: changed",)),
        (lambda d: d.update(embedding_dim=4), ("prototypes.npy", "(3, 3), not (3, 4)")),
        (lambda d: d.update(radius=2.0), ("prototypes.npy", "norms from 1 to 1, not all 2")),
    ],
)
def test_a_manifest_that_does_not_fit(copy: Path, change: object, words: tuple[str, ...]) -> None:
    change_manifest(copy, change)  # type: ignore[arg-type]
    assert_refused(copy, *words)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "a/b", "..", "", "a\\b", "a\x00b", ".hidden"]
)
def test_file_names_cannot_leave_the_bundle(copy: Path, name: str) -> None:
    (copy.parent / "secret").write_bytes(b"")

    def list_it(document: Document) -> None:
        document["files"][name] = document["files"]["weights.safetensors"]

    change_manifest(copy, list_it)
    assert_refused(copy, "manifest.json", "is not a plain file name")


class Trap:
    """Unpickling it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(copy: Path, tmp_path: Path) -> None:
    trap, sprung = Trap(tmp_path / "sprung"), tmp_path / "sprung"
    objects = np.array([[trap]], dtype=object)
    for data in (npy(objects, pickled=True), pickle.dumps(trap)):
        replace_file(copy, "prototypes.npy", data)
        assert_refused(copy, "prototypes.npy: not a NumPy array")
    assert not sprung.exists()


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none", "none a bundle?")
    assert_refused(tmp_path, "manifest.json", "No such file")
    file = tmp_path / "file"
    file.write_text("x")
    assert_refused(file, "manifest.json", "Not a directory")
