import os
from pathlib import Path

import pytest
from PIL import Image

from interpret.model.picture_files import LOOP, LOST_LINK, SPECIAL, SYSTEM, pictures_in, scan


def write(path: Path, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.new("RGB", (4, 4)).save(file, kind)
    return path


def reasons(folder: Path) -> dict[str, str]:
    return {str(e.file.relative_to(folder)): e.reason for e in scan(folder).all_left_out()}


def test_pictures_by_suffix_or_by_content(tmp_path: Path):
    expected = [
        write(tmp_path / "a" / "b" / "1.PNG"),
        write(tmp_path / "a.jfif", "JPEG"),
        write(tmp_path / "b1946ac92492d234", "JPEG"),
        write(tmp_path / "c.data", "WEBP"),
        write(tmp_path / "named.jpg" / "inside.png"),
    ]
    (tmp_path / "text.png").write_text("its suffix counts; decoding will tell")
    assert pictures_in(tmp_path) == sorted([*expected, tmp_path / "text.png"])


def test_all_other_files_have_a_reason(tmp_path: Path):
    write(tmp_path / "scan.tif", "TIFF")
    (tmp_path / "labels.CSV").write_text("a,b")
    (tmp_path / "LICENSE").write_text("MIT")
    (tmp_path / "empty").touch()
    assert pictures_in(tmp_path) == []
    assert reasons(tmp_path) == {
        "scan.tif": "TIFF files, a format that is not read",
        "labels.CSV": "no pictures (.csv)",
        "LICENSE": "no pictures (without a suffix)",
        "empty": "no pictures (without a suffix)",
    }
    assert scan(tmp_path).unread


@pytest.mark.parametrize(
    "name",
    [
        "Thumbs.db", "desktop.ini", ".DS_Store", "._1.png", ".hidden.png", "__MACOSX/a/1.png",
        "a/.ipynb_checkpoints/1-checkpoint.png", ".git/objects/1.png", "a/@eaDir/1.png",
        "$RECYCLE.BIN/1.png", "System Volume Information/1.png",
    ],
)  # fmt: skip
def test_litter_of_systems_is_left_out_and_counted(tmp_path: Path, name: str):
    kept = write(tmp_path / "a" / "1.png")
    write(tmp_path / name)
    assert pictures_in(tmp_path) == [kept]
    assert reasons(tmp_path) == {name: SYSTEM}


def test_the_folder_itself_may_be_hidden(tmp_path: Path):
    assert pictures_in(write(tmp_path / ".cache" / "1.png").parent) == [
        tmp_path / ".cache" / "1.png"
    ]


def test_links_are_followed_once_and_loops_are_left(tmp_path: Path):
    root, pool = tmp_path / "root", tmp_path / "pool"
    write(pool / "1.png")
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "pool").symlink_to(pool)
    (root / "b").symlink_to(pool)  # again
    (root / "a" / "b" / "up").symlink_to(root)
    (root / "a" / "self").symlink_to("self")
    (root / "a" / "gone.jpg").symlink_to("/no/such/file")
    (root / "a" / "2.png").symlink_to(pool / "1.png")
    assert [str(f.relative_to(root)) for f in pictures_in(root)] in (
        ["a/2.png", "a/pool/1.png"],
        ["a/2.png", "b/1.png"],
    )
    found = reasons(root)
    assert {found.pop("a/b/up"), found.pop("b", None) or found.pop("a/pool")} == {LOOP}
    assert found == {"a/self": LOST_LINK, "a/gone.jpg": LOST_LINK}


def test_folders_that_link_to_each_other_end(tmp_path: Path):
    for i in range(12):
        write(tmp_path / str(i) / "1.png")
        for j in range(12):
            (tmp_path / str(i) / f"to{j}").symlink_to(tmp_path / str(j))
    assert len(pictures_in(tmp_path)) <= 2 * 12


def test_a_pipe_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    assert pictures_in(tmp_path) == []
    assert reasons(tmp_path) == {"pipe.jpg": SPECIAL, "pipe": SPECIAL}


def test_names_that_are_no_text(tmp_path: Path):
    name = os.fsdecode(b"caf\xe9.png")
    write(tmp_path / name)
    assert pictures_in(tmp_path) == [tmp_path / name]


def test_deep_folders(tmp_path: Path):
    deep = tmp_path.joinpath(*["d"] * 900)
    write(deep / "1.png")
    assert len(pictures_in(tmp_path)) == 1


def test_no_such_folder(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        pictures_in(tmp_path / "none")


def test_a_link_to_a_folder_around_the_root_is_a_loop(tmp_path: Path) -> None:
    """Below it lie the root again, and folders beside it that nobody has named."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (1, 1)).save(tmp_path / name / "a.png")
    (tmp_path / "mine" / "up").symlink_to(tmp_path)
    found = scan(tmp_path / "mine")
    assert [path.name for path in found.all_pictures()] == ["a.png"]
    assert [each.reason for each in found.all_left_out()] == [LOOP]
