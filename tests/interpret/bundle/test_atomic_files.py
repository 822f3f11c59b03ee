import stat
from pathlib import Path

import pytest

from interpret.bundle.atomic_files import temporary_sibling, write_atomically


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    for data in (b"first", b"", b"second"):
        write_atomically(path, data)
        assert path.read_bytes() == data
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_others_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "a", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "a")]
    assert modes[0] == modes[1]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"data")
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OSError, match="file"):
        write_atomically(tmp_path / "file" / "below", b"data")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_temporary_folder_goes_even_on_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), temporary_sibling(tmp_path / "x") as folder:  # noqa: PT012
        (folder / "a").write_text("b")
        assert folder.parent == tmp_path
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as caught:  # noqa: PT011 (which one is the system's to say)
        write_atomically(tmp_path / "folder", b"x")
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "folder"), None)
    assert [place.name for place in tmp_path.iterdir()] == ["folder"]
