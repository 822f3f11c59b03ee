from pathlib import Path

import pytest

from interpret.bundle.errors import DpnpError
from interpret.bundle.file_suffixes import SUFFIXES, FileKind, check_suffix, has_suffix


@pytest.mark.parametrize("kind", SUFFIXES)
def test_every_suffix_of_a_kind_passes_in_any_case(kind: FileKind) -> None:
    for suffix in SUFFIXES[kind]:
        check_suffix(Path(f"a{suffix}"), kind)
        check_suffix(Path(f"a.b{suffix.upper()}"), kind)
        assert has_suffix(Path(f"a.b{suffix.upper()}"), kind)


@pytest.mark.parametrize("name", ["a.gif", "a", "a.png.txt", ".png"])
def test_other_suffixes_are_refused_with_the_list(name: str) -> None:
    assert not has_suffix(Path(name), "figures")
    with pytest.raises(DpnpError, match=rf"^x/{name}: figures are written as .png, .pdf or .svg$"):
        check_suffix(Path("x", name), "figures")


def test_a_list_of_two_and_of_one() -> None:
    with pytest.raises(DpnpError, match=r"^a: tables are written as .parquet or .csv$"):
        check_suffix(Path("a"), "tables")
    with pytest.raises(DpnpError, match=r"^a: plain tables are written as .csv$"):
        check_suffix(Path("a"), "plain tables")
