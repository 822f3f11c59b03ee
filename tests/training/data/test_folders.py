"""Folders with real pictures, read as `dpnp train` reads them."""

import io
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from training.config.errors import DataError
from training.data.datasets import load_data
from training.data.folders import read_folder
from training.data.splits import DataSet


def write(path: Path, seed: int = 0, size: tuple[int, int] = (12, 8), **options: object) -> Path:
    """A picture of noise, another one for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def flat(root: Path, count: int = 4, names: tuple[str, ...] = ("a", "b")) -> Path:
    for number, name in enumerate(names):
        for i in range(count):
            write(root / name / f"{i}.png", 100 * number + i)
    return root


def reasons(data: DataSet) -> Counter[str]:
    return Counter(each.reason for each in data.left_out)


def load(root: Path) -> DataSet:
    return load_data(f"folder:{root}")


def counts(data: DataSet) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


def test_every_file_is_used_or_counted_with_a_reason(tmp_path: Path):
    root = tmp_path / "pictures"
    flat(root / "train", 5)
    flat(root / "test", 2)
    litter = ["Thumbs.db", "train/.DS_Store", "train/a/._1.png", "__MACOSX/train/a/._1.png"]
    for name in [*litter, "README.md", "train/labels.csv", "train/a/empty"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "train" / "a" / "cut.png").write_bytes((root / "train/a/1.png").read_bytes()[:60])
    (root / "train" / "b" / "text.jpg").write_text("no picture")
    (root / "train" / "b" / "empty.jpg").touch()
    (root / "train" / "b" / "gone.jpg").symlink_to("/no/such/file")
    (root / "train" / "b" / "loop").symlink_to(root)
    os.mkfifo(root / "train" / "b" / "pipe.jpg")
    write(root / "train" / "b" / "scan.tif")
    write(root / "train" / "loose.png")
    write(root / "predictions" / "1.png")
    files = [f for f in root.rglob("*") if f.is_symlink() or not f.is_dir()]
    data = load(root)
    used = {root / source for split in data.splits.values() for source in split.sources}
    left = [each.file for each in data.left_out]
    assert len(left) == len(set(left))
    assert sorted([*used, *left]) == sorted(files)
    assert counts(data) == {"test": 4, "train": 10}
    assert reasons(data) == {
        "hidden, or made by the system": 4,
        "no pictures (.md)": 1,
        "no pictures (.csv)": 1,
        "no pictures (without a suffix)": 1,
        "corrupt pictures": 1,
        "files that are no pictures inside": 2,
        "links that lead nowhere": 1,
        "links to a folder that is read already": 1,
        "no regular files": 1,
        "TIFF files, a format that is not read": 1,
        "pictures in no class folder": 1,
        "pictures beside the splits": 1,
    }


def test_pictures_of_every_format_by_content(tmp_path: Path):
    flat(tmp_path, 3)
    for name in ("a", "b"):
        heic = io.BytesIO()
        pillow_heif.from_pillow(Image.effect_noise((12, 8), 50).convert("RGB")).save(heic)
        (tmp_path / name / "IMG_1.HEIC").write_bytes(heic.getvalue())
        write(tmp_path / name / "1.avif", 1)
        write(tmp_path / name / "2.jfif", 2, format="JPEG")
        write(tmp_path / name / "b1946ac92492d234", 3, format="WEBP")
        write(tmp_path / name / "wrong.gif", 4, format="PNG")
    data = load(tmp_path)
    assert sum(counts(data).values()) == 2 * 8
    assert data.left_out == []
    for split in data.splits.values():
        assert split.pixels(8, "").shape == (len(split), 8, 8, 3)


def test_large_pictures_of_cameras_and_scanners(tmp_path: Path):
    flat(tmp_path, 3)
    Image.linear_gradient("L").resize((8064, 6048)).save(tmp_path / "a" / "phone.jpg")
    Image.new("1", (20_000, 10_000), 1).save(tmp_path / "b" / "scan.png")
    data = load(tmp_path)
    assert data.left_out == []
    facts = [tuple(size) for s in data.splits.values() for size in s.facts.sizes.tolist()]
    assert {(8064, 6048), (20_000, 10_000)} < set(facts)


def test_facts_are_upright_sizes_and_digests_of_the_bytes(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    flat(tmp_path, 3)
    write(tmp_path / "a" / "9.jpg", size=(30, 20), exif=exif)
    (tmp_path / "b" / "copy.jpg").write_bytes((tmp_path / "a" / "9.jpg").read_bytes())
    found = read_folder(tmp_path, strict=False).parts["train"]
    by_name = {picture.file.name: picture for picture in found}
    assert (by_name["9.jpg"].width, by_name["9.jpg"].height) == (20, 30)
    assert by_name["9.jpg"].digest == by_name["copy.jpg"].digest
    assert len({picture.digest for picture in found}) == len(found) - 1


def test_a_single_picture_in_a_class_is_trained_on_and_said(tmp_path: Path):
    flat(tmp_path, 10)
    write(tmp_path / "rare" / "1.png")
    data = load(tmp_path)
    per_class = {n: np.bincount(s.labels, minlength=3).tolist() for n, s in data.splits.items()}
    assert per_class == {"train": [7, 7, 1], "valid": [1, 1, 0], "test": [2, 2, 0]}
    assert data.notes == ["too few pictures to test, all are trained on: rare (1)"]


def test_copies_are_trained_on_or_tested_but_not_both(tmp_path: Path):
    flat(tmp_path, 20)
    for i in range(10):
        copy = tmp_path / "a" / f"copy {i}.png"
        copy.write_bytes((tmp_path / "a" / f"{i}.png").read_bytes())
    digests = [set(split.facts.digests.tolist()) for split in load(tmp_path).splits.values()]
    assert len(set.union(*digests)) == sum(map(len, digests)) == 40


def corrupt(folder: Path) -> None:
    for file in folder.rglob("*.png"):
        file.write_bytes(b"\x89PNG\r\n\x1a\n")


def test_all_pictures_corrupt(tmp_path: Path):
    corrupt(flat(tmp_path, 3))
    with pytest.raises(DataError, match=r"none of 6 pictures can be read$"):
        load(tmp_path)


def test_all_pictures_of_a_class_corrupt(tmp_path: Path):
    corrupt(flat(tmp_path, 3) / "b")
    with pytest.raises(
        DataError, match=r"/b: no readable picture to train on \(none of 3 pic.*add"
    ):
        load(tmp_path)


def test_a_class_without_training_pictures(tmp_path: Path):
    for file in ("a/train/1", "a/test/2", "b/train/3", "b/test/4", "c/test/5"):
        write(tmp_path / f"{file}.png", int(file[-1]))
    with pytest.raises(DataError, match="/c: no readable picture to train on"):
        load(tmp_path)


def test_all_pictures_of_a_split_corrupt(tmp_path: Path):
    for split in ("train", "test", "valid"):
        flat(tmp_path / split, 3)
    corrupt(tmp_path / "test")
    data = load(tmp_path)
    assert counts(data) == {"train": 6, "valid": 6}
    assert data.notes == ["no readable picture of the test split, so there is none"]


def test_many_corrupt_pictures_are_named_in_part(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    flat(tmp_path, 3)
    for i in range(15):
        (tmp_path / "a" / f"bad{i:02}.png").write_text("no picture")
    assert reasons(load(tmp_path)) == {"files that are no pictures inside": 15}
    lines = caplog.text.splitlines()
    assert len(lines) == 11
    assert "bad09.png: not a picture in a format we read" in lines[9]
    assert "skipped 5 more of the train split" in lines[10]


def test_names_that_are_no_utf8(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    flat(tmp_path, 3)
    write(tmp_path / "a" / os.fsdecode(b"caf\xe9.png"), 9)
    (tmp_path / "a" / os.fsdecode(b"bad\xe9.png")).touch()
    data = load(tmp_path)
    sources = [source for split in data.splits.values() for source in split.sources]
    assert "a/caf\\xe9.png" in sources
    assert all(source.encode() for source in sources)
    assert "bad\\xe9.png: the picture is empty" in caplog.text
    write(tmp_path / os.fsdecode(b"caf\xe9") / "1.png")
    with pytest.raises(DataError, match=r"caf\\xe9: the folder's name is no UTF-8 text: rename it"):
        load(tmp_path)


def test_a_link_to_the_pictures(tmp_path: Path):
    flat(tmp_path / "pool", 3)
    (tmp_path / "root").mkdir()
    for name in ("a", "b"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "pool" / name)
    assert sum(counts(load(tmp_path / "root")).values()) == 6


def test_a_spec_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(flat(tmp_path, 3))
    with pytest.raises(DataError, match=r"--data folder: names no folder; .* is folder:\."):
        load_data("folder:")
    assert sum(counts(load_data("folder:.")).values()) == 6
    with pytest.raises(DataError, match=r"folder:a/0\.png: a file; unpack it and name the folder"):
        load_data("folder:a/0.png")
