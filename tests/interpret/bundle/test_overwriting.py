"""What may be written over, and what may not."""

from pathlib import Path

import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError
from interpret.bundle.overwriting import check_out


def test_a_free_place_is_free(tmp_path: Path):
    check_out(tmp_path / "new", force=False)
    assert not (tmp_path / "new").exists()  # looked at, not made


def test_a_bundle_is_replaced_by_force_alone(toy_bundle: Bundle):
    with pytest.raises(BundleError, match=r"toy: a bundle is there already; --force replaces it"):
        check_out(toy_bundle.path, force=False)
    check_out(toy_bundle.path, force=True)


@pytest.mark.parametrize("name", ["file", "folder"])
def test_anything_else_is_never_replaced(name: str, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(BundleError, match=f"{name}: exists and is no bundle"):
        check_out(tmp_path / name, force=True)


def test_a_place_where_nothing_can_be_written_is_said_before_the_work(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BundleError, match=r"--out .*file/deep/new: cannot be written \(Not a dir"):
        check_out(tmp_path / "file" / "deep" / "new", force=False)
    check_out(tmp_path / "deep" / "new", force=False)
    assert [place.name for place in tmp_path.iterdir()] == ["file"]
