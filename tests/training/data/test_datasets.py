import io
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.config.errors import DataError
from training.data.datasets import load_data, load_to_measure


def write(path: Path, colour: str = "red", size: tuple[int, int] = (20, 20), **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(options.pop("mode", "RGB"), size, colour).save(path, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten pictures each."""
    for name in ("cat", "dog"):
        for i in range(10):
            write(tmp_path / name / f"{i}.png", size=(20 + i, 40))
    return tmp_path


def test_digits_are_real_and_split_with_every_class():
    data = load_data("digits")
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 1259,
        "valid": 179,
        "test": 359,
    }
    assert all(set(split.labels) == set(range(10)) for split in data.splits.values())
    sources = [source for split in data.splits.values() for source in split.sources]
    assert len(set(sources)) == 1797
    assert not data.flip


def test_the_seed_shuffles_the_split():
    first, again, other = (load_data("digits", seed=s).splits["test"].sources for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_pixels_keep_the_order_of_the_rows():
    split = load_data("digits").splits["valid"]
    rows = np.array([5, 2, 7])
    assert np.array_equal(split.subset(rows).pixels(32, ""), split.pixels(32, "")[rows])


def test_folder_without_splits(folder: Path):
    data = load_data(f"folder:{folder}")
    assert data.class_names == ["cat", "dog"]
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 14,
        "valid": 2,
        "test": 4,
    }
    assert data.image_size == 24  # the median shorter side is 24.5; a multiple of 8
    assert data.splits["test"].sources[0].startswith("cat/")


@pytest.mark.parametrize("valid", ["valid", "val", "validation"])
def test_folder_with_splits(tmp_path: Path, valid: str):
    for split in ("train", valid, "test"):
        for name in ("b", "a"):
            write(tmp_path / split / name / "1.jpg")
    data = load_data(f"folder:{tmp_path}")
    assert list(data.splits) == ["test", "train", "valid"]
    assert data.class_names == ["a", "b"]
    assert data.evaluation_split() == "test"


def test_a_share_of_the_training_pictures_as_valid(tmp_path: Path):
    for name in ("a", "b"):
        write(tmp_path / "test" / name / "1.jpg")
        for i in range(10):
            write(tmp_path / "train" / name / f"{i}.jpg")
    source = f"folder:{tmp_path}"
    data = load_data(source, valid_share=0.2)
    assert np.bincount(data.splits["valid"].labels).tolist() == [2, 2]
    held_out, kept = (set(data.splits[name].sources) for name in ("valid", "train"))
    assert not held_out & kept
    assert held_out | kept == set(load_data(source).splits["train"].sources)
    again = load_data(source, valid_share=0.2).splits["valid"]
    assert set(again.sources) == held_out
    assert set(load_data(source, seed=1, valid_share=0.2).splits["valid"].sources) != held_out
    for share, taken in ((0.01, 0), (0.99, 10)):
        with pytest.raises(DataError, match=f"--valid-share {share}: {taken} of the 10 pictures"):
            load_data(source, valid_share=share)


def test_any_mode_and_orientation(tmp_path: Path):
    for name in ("a", "b"):
        write(tmp_path / name / "grey.png", mode="L", colour="white")
        write(tmp_path / name / "cmyk.jpg", mode="CMYK", colour="white")
        write(tmp_path / name / "alpha.webp", mode="RGBA", colour="white")
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was turned: rotate by 270°
        write(tmp_path / name / "turned.jpg", size=(30, 20), exif=exif)
    data = load_data(f"folder:{tmp_path}")
    pictures = [split.open_picture(i) for split in data.splits.values() for i in range(len(split))]
    assert {picture.mode for picture in pictures} == {"RGB"}
    assert sorted(picture.size for picture in pictures)[-2:] == [(20, 30), (20, 30)]


def test_corrupt_pictures_are_named_and_skipped(folder: Path, caplog: pytest.LogCaptureFixture):
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "JPEG")
    (folder / "cat" / "cut.jpg").write_bytes(whole.getvalue()[:500])
    (folder / "dog" / "text.png").write_text("not a picture")
    with caplog.at_level(logging.WARNING):
        data = load_data(f"folder:{folder}")
    assert sum(map(len, data.splits.values())) == 20
    assert f"{folder / 'cat' / 'cut.jpg'}: the JPEG picture is corrupt" in caplog.text
    assert f"{folder / 'dog' / 'text.png'}: not a picture" in caplog.text


def test_strict_fails_on_a_corrupt_picture(folder: Path):
    (folder / "dog" / "text.png").write_text("not a picture")
    with pytest.raises(DataError, match=r"text\.png: not a picture .*1 of 21"):
        load_data(f"folder:{folder}", strict=True)


def test_other_files_are_no_pictures(folder: Path):
    (folder / "cat" / "notes.txt").write_text("hello")
    (folder / ".cache").mkdir()
    assert sum(map(len, load_data(f"folder:{folder}").splits.values())) == 20


def test_to_measure_a_folder_is_taken_whole(folder: Path):
    source = f"folder:{folder}"
    data = load_to_measure(source, None)
    assert {name: len(split) for name, split in data.splits.items()} == {"all": 20}
    assert data.evaluation_split() == "all"
    trained, asked = load_data(source, seed=3), load_to_measure(source, "test", seed=3)
    assert asked.splits["test"].sources == trained.splits["test"].sources
    np.testing.assert_array_equal(asked.splits["test"].labels, trained.splits["test"].labels)


def test_to_measure_any_splits_and_classes_are_enough(tmp_path: Path):
    write(tmp_path / "test" / "b" / "1.png")
    for name in ("valid", "test/empty"):
        (tmp_path / name).mkdir()
    data = load_to_measure(f"folder:{tmp_path}", None)
    assert data.class_names == ["b"]
    assert {name: len(split) for name, split in data.splits.items()} == {"test": 1}
    assert data.evaluation_split() == "test"
    (tmp_path / "test" / "b" / "1.png").unlink()
    with pytest.raises(DataError, match="no readable picture in a folder of a class"):
        load_to_measure(f"folder:{tmp_path}", None)


def test_to_measure_the_valid_share_is_that_of_training(tmp_path: Path):
    for name in ("a", "b"):
        write(tmp_path / "test" / name / "1.jpg")
        for i in range(10):
            write(tmp_path / "train" / name / f"{i}.jpg")
    source = f"folder:{tmp_path}"
    trained = load_data(source, valid_share=0.2).splits
    for split in ("train", "valid"):
        own = load_to_measure(source, split, valid_share=0.2).splits[split]
        assert own.sources == trained[split].sources


def breakage(folder: Path, kind: str) -> None:
    if kind == "one class":
        (folder / "dog").rename(folder.parent / "elsewhere")
    elif kind == "empty class":
        (folder / "bird").mkdir()
    elif kind == "two pictures":
        for name in ("cat", "dog"):
            for i in range(8):
                (folder / name / f"{i}.png").unlink()
    elif kind == "no train":
        write(folder / "test" / "cat" / "1.png")
    elif kind == "train alone":
        write(folder / "train" / "cat" / "1.png")
    elif kind == "unknown class":
        for path in ("train/a", "train/b", "test/c"):
            write(folder / path / "1.png")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("one class", "1 class folders; there must be 2 or more"),
        ("empty class", "bird: no readable picture"),
        ("two pictures", "no class has 3 pictures"),
        ("no train", "has test, but no train folder"),
        ("train alone", "is train the train split, or a class like cat"),
        ("unknown class", "c: a class that the train folder does not have"),
    ],
)
def test_unusable_folders_say_why(folder: Path, kind: str, message: str):
    breakage(folder, kind)
    with pytest.raises(DataError, match=message):
        load_data(f"folder:{folder}")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("folder:/no/such", "no such folder"),
        ("imagenet", "--data imagenet: not one of digits"),
        ("cifar10", "not in .*; --download fetches it"),
        ("flowers102", "not in .*; --download fetches it"),
    ],
)
def test_unknown_or_missing_data_says_what_to_do(tmp_path: Path, spec: str, message: str):
    with pytest.raises(DataError, match=message):
        load_data(spec, root=tmp_path)
