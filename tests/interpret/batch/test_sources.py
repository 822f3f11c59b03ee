"""Sources of pictures, listed and cut into parts, and the pictures of each part."""

import os
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interpret.batch.contents import GivenPicture, pictures_of
from interpret.batch.parts_file import read_part, write_parts
from interpret.batch.sources import LARGEST_PART, list_sources
from interpret.bundle.errors import DpnpError, ImageError
from tests.interpret.batch.conftest import png
from tests.shards_made import write_parquet, write_tar


def given(*sources: object) -> list[GivenPicture]:
    return list(chain.from_iterable(map(pictures_of, list_sources(list(map(str, sources))).parts)))


def names(*sources: object) -> list[str]:
    return [picture.name for picture in given(*sources)]


def test_folders_are_searched_and_files_taken_as_given(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "album.jpg").mkdir(parents=True)  # a folder called like a picture is none
    for name in ("b.JPG", "a.png", "album.jpg/d.png"):
        (folder / name).write_bytes(png("red"))
    (folder / "notes.txt").write_text("no picture")
    notes = shutil.copy(folder / "notes.txt", tmp_path / "notes.md")
    inside = [str(folder / name) for name in ("a.png", "album.jpg/d.png", "b.JPG")]
    assert names(notes, folder) == [str(notes), *inside]
    (folder / "empty").mkdir()
    with pytest.raises(DpnpError, match="empty: no pictures in this folder"):
        names(folder / "empty")


def test_a_list_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("red").mkdir()
    Path("red/1.png").write_bytes(png("red"))
    Path("list.txt").write_text(f"red/1.png\n\nnone.png\n{tmp_path / 'red'}\n")
    found = given("list.txt")
    assert [p.name for p in found] == ["red/1.png", "none.png", str(tmp_path / "red" / "1.png")]
    assert [p.label for p in found] == ["red", "", "red"]
    assert found[0].read() == png("red")
    with pytest.raises(ImageError, match="No such file or directory"):
        found[1].read()
    Path("lists.txt").write_text("list.txt")
    with pytest.raises(DpnpError, match="a list of lists is not read"):
        given("lists.txt")
    with pytest.raises(DpnpError, match=r"none\.txt: No such file or directory"):
        given("none.txt")


def test_parquet_of_bytes(tmp_path: Path) -> None:
    red, green = png("red"), png("green")
    table = {"image": [red, None, green], "key": ["r", "n", "g"], "label": ["red", "none", None]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    found = given(tmp_path / "a.parquet")
    assert [(p.name, p.label) for p in found] == [("r", "red"), ("n", "none"), ("g", None)]
    assert [p.read() for p in found] == [red, b"", green]
    # As the `datasets` library writes: bytes and a path in one column; labels are numbers.
    packed = [{"bytes": red, "path": "1.png"}, {"bytes": green, "path": None}, None]
    pq.write_table(pa.table({"image": packed, "label": [0, 1, 2]}), tmp_path / "b.parquet")
    found = given(tmp_path / "b.parquet")
    file = tmp_path / "b.parquet"
    assert [(p.name, p.label) for p in found] == [
        ("1.png", "0"),
        (f"{file}#1", "1"),
        (f"{file}#2", "2"),
    ]
    assert [p.read() for p in found] == [red, green, b""]


def test_numbers_get_their_names_as_in_training(tmp_path: Path) -> None:
    """From the file, where the `datasets` library put them, or from classes.txt."""
    labels = pa.array([0, 1, -1, None, 7])
    file = write_parquet(tmp_path / "p" / "a.parquet", [png("red")] * 5, labels, names=("a", "b"))
    assert [p.label for p in given(file)] == ["a", "b", None, None, None]
    write_tar(tmp_path / "t" / "in" / "0.tar", [("0.png", png("red")), ("0.cls", b"01")])
    pq.write_table(pa.table({"path": ["a.png"], "class": [1]}), tmp_path / "paths.parquet")
    before = list_sources([str(tmp_path / "t")])
    assert [p.label for p in given(tmp_path / "t", tmp_path / "paths.parquet")] == ["1", "1"]
    for folder in ("p", "t", "."):
        (tmp_path / folder / "classes.txt").write_text(f"none\n\ncafe\u0301{folder}\n")
    assert [p.label for p in given(file)] == ["none", "cafép", None, None, None]
    assert [p.label for p in given(f"file://{tmp_path}/p")][1] == "cafép"
    assert [p.label for p in given(tmp_path / "t", tmp_path / "paths.parquet")] == [
        "cafét",
        "café.",
    ]
    assert [p.label for p in given(tmp_path / "t" / "in")] == ["1"]  # told of the folder itself
    assert list_sources([str(tmp_path / "t")]).digest != before.digest
    (tmp_path / "t" / "classes.txt").write_bytes(b"\xff")
    with pytest.raises(DpnpError, match=r"classes\.txt: cannot be read"):
        given(tmp_path / "t")


def test_parquet_of_paths(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png("blue"))
    table = {"path": [str(tmp_path / "1.png"), "none.png"], "label": ["blue", None]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    found = given(tmp_path / "a.parquet")
    assert [p.label for p in found] == ["blue", ""]  # the folder of none.png has no name
    assert found[0].read() == png("blue")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"text": ["a"]}, r"no column of pictures: neither bytes \(image, .*it has text"),
        ({"path": pa.array([None], pa.string())}, "a row has no path"),
    ],
)
def test_parquet_without_pictures(tmp_path: Path, table: dict[str, object], words: str) -> None:
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(DpnpError, match=words):
        given(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes(b"junk")
    with pytest.raises(DpnpError, match=r"a\.parquet: cannot be read"):
        given(tmp_path / "a.parquet")


def test_archives_of_samples(tmp_path: Path) -> None:
    files = [
        ("0/a.cls", b"red"),
        ("0/a.jpg", png("red")),
        ("0/a.json", b"{}"),
        ("0/b.left.png", png("green")),
        ("0/b.right.png", png("blue")),
        ("0/b.cls", b"green\n"),
        ("c.PNG", png("blue")),
    ]
    shard = tmp_path / "shards" / "000.tar"
    shard.parent.mkdir()
    write_tar(shard, files)
    found = given(shard)
    assert [p.name for p in found] == [
        f"{shard}/{name}" for name in ("0/a.jpg", "0/b.left.png", "0/b.right.png", "c.PNG")
    ]
    assert [p.label for p in found] == ["red", "green", "green", None]
    assert [p.read() for p in found] == [png(n) for n in ("red", "green", "blue", "blue")]
    write_tar(shard.with_name("001.tar"), files[:2])
    assert len(given(shard.parent)) == 5  # a folder of archives
    assert list_sources([str(shard.parent)]).pictures is None


def test_labels_of_samples_are_those_that_training_reads(tmp_path: Path) -> None:
    files = [
        ("a.png", png("red")),
        ("a.json", b'{"label": "red", "cls": 7}'),
        ("b.png", png("green")),
        ("b.json", b'{"cls": 1}'),
        ("c.png", png("blue")),
        ("c.json", b"{"),
        ("d.png", png("blue")),
        ("d.cls", b"\xff"),
        ("e.png", png("blue")),
        ("e.json", b'{"label": "blue"}'),
    ]
    write_tar(tmp_path / "a.tar", files)
    assert [p.label for p in given(tmp_path / "a.tar")] == ["red", "1", None, None, "blue"]


def test_a_cut_archive_keeps_what_comes_before(tmp_path: Path) -> None:
    shard = tmp_path / "a.tar"
    write_tar(shard, [(f"{i}.png", png("red")) for i in range(9)])
    shard.write_bytes(shard.read_bytes()[:3000])  # within the third
    *good, bad = given(shard)
    assert [p.name for p in good] == [f"{shard}/0.png", f"{shard}/1.png"]
    assert bad.name == str(shard)
    with pytest.raises(ImageError, match="cannot be read after 2 pictures: unexpected end of data"):
        bad.read()
    with pytest.raises(DpnpError, match=r"none\.tar: No such file"):
        given(tmp_path / "none.tar")


def test_addresses_are_read_through_their_file_system(
    pictures: Callable[[int], Path], tmp_path: Path
) -> None:
    folder = pictures(3)
    address = f"file://{folder}"
    found = given(address)
    assert [p.name for p in found] == [
        f"{address}/{name}" for name in ("blue/00002.png", "green/00001.png", "red/00000.png")
    ]
    assert [p.label for p in found] == ["blue", "green", "red"]
    assert found[0].read() == png("blue")
    assert names(f"{address}/red/00000.png") == [f"{address}/red/00000.png"]
    write_tar(tmp_path / "a.tar", [("1.png", png("red"))])
    [picture] = given(f"file://{tmp_path}/a.tar")
    assert picture.read() == png("red")
    with pytest.raises(DpnpError, match="there is nothing at this address"):
        given("file:///no/such/folder")
    with pytest.raises(DpnpError, match="Unrecognized filesystem type in URI"):
        given("what://bucket/folder")


def test_parts_follow_from_the_source_alone(pictures: Callable[[int], Path]) -> None:
    folder = pictures(130)
    listing = list_sources([str(folder)])
    assert [part.count for part in listing.parts] == [64, 64, 2]
    assert listing.pictures == 130
    assert list_sources([str(folder)]) == listing
    (folder / "red" / "00000.png").write_bytes(png("blue"))
    assert list_sources([str(folder)]).digest != listing.digest


def test_row_groups_are_not_cut(tmp_path: Path) -> None:
    content = [b"x"] * 10_000
    pq.write_table(pa.table({"image": content}), tmp_path / "a.parquet", row_group_size=100)
    parts = list_sources([str(tmp_path / "a.parquet")]).parts
    assert [(p.first, p.count) for p in parts] == [(i, 200) for i in range(0, 10_000, 200)]
    pq.write_table(pa.table({"image": content}), tmp_path / "a.parquet")
    [part] = list_sources([str(tmp_path / "a.parquet")]).parts
    assert (part.first, part.count) == (0, 10_000)
    assert LARGEST_PART < 10_000
    [bad] = pictures_of(parts[1])
    with pytest.raises(ImageError, match="its row groups have changed since it was listed"):
        bad.read()


def test_parts_come_back_from_disk(pictures: Callable[[int], Path], tmp_path: Path) -> None:
    odd = os.fsdecode(b"red\xff.png")  # a name that is no text
    pq.write_table(pa.table({"image": [b"x"] * 3}), tmp_path / "a.parquet")
    write_tar(tmp_path / "a.tar", [])
    (tmp_path / "classes.txt").write_text("red")
    sources = [str(pictures(3)), odd, str(tmp_path / "a.parquet"), str(tmp_path / "a.tar")]
    parts = list_sources(sources).parts
    assert [part.kind for part in parts] == ["files", "parquet", "tar"]
    assert parts[0].places[3] == odd
    assert [part.classes for part in parts[1:]] == [str(tmp_path / "classes.txt")] * 2
    write_parts(tmp_path / "parts.arrow", parts)
    assert [read_part(tmp_path / "parts.arrow", i) for i in range(3)] == parts


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_that_windows_saved(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "ä.png").write_bytes(png("red"))
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'ä.png'}\r\n", encoding=encoding)
    assert names(tmp_path / "list.txt") == [str(tmp_path / "ä.png")]


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "no paths in this list"), (b"a\0b\n", "no list of paths")]
)
def test_a_list_of_nothing(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DpnpError, match=told):
        given(tmp_path / "list.txt")
