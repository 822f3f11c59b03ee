import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from interpret.bundle.errors import DpnpError
from interpret.figures.layout import Layout, legible, save_figure
from tests.interpret.figures.spheres import texts


def drawn() -> Figure:
    layout = Layout(2, 1)
    layout.text(0.1, 0.5, "text", width=1)
    return layout.figure


def test_places_count_in_inches_from_the_top_left_corner() -> None:
    layout = Layout(4, 2)
    axes = layout.axes(1, 0.5, 2, 1)
    assert axes.get_position().bounds == pytest.approx((1 / 4, 1 - 1.5 / 2, 2 / 4, 1 / 2))
    layout.text(1, 0.5, "x", width=1)
    assert layout.figure.texts[0].get_position() == pytest.approx((1 / 4, 1 - 0.5 / 2))


@pytest.mark.parametrize(("side", "smoothed"), [(64, "nearest"), (65, "antialiased")])
def test_small_pictures_keep_the_edges_of_their_pixels(side: int, smoothed: str) -> None:
    layout = Layout(2, 2)
    for picture in (np.zeros((side, side, 3), np.uint8), Image.new("RGB", (side, 3))):
        assert layout.picture(0, 0, 1, picture).get_interpolation() == smoothed


def test_legible() -> None:
    assert legible("plain – text, äöü ≥ ×") == "plain – text, äöü ≥ ×"
    assert legible(" a\n b\tc ") == "a b c"
    assert legible("\x00") == "□"


def test_text_is_cut_to_its_width() -> None:
    layout = Layout(4, 1)
    assert layout.text(0, 0.5, "short", width=4) < 1
    assert 1.5 < layout.text(0, 0.5, "long " * 50, width=2) <= 2
    assert texts(layout.figure)[0] == "short"
    assert texts(layout.figure)[1].endswith("long…")


SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "a.png": lambda data: Image.open(io.BytesIO(data)).format == "PNG",
    "a.PNG": lambda data: Image.open(io.BytesIO(data)).format == "PNG",
    "a.pdf": lambda data: data.startswith(b"%PDF-"),
    "a.svg": lambda data: b"<svg" in data[:1000],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_suffix_is_the_format(tmp_path: Path, name: str) -> None:
    save_figure(drawn(), tmp_path / "new" / name)
    assert SIGNATURES[name]((tmp_path / "new" / name).read_bytes())
    assert [p.name for p in (tmp_path / "new").iterdir()] == [name]


def test_another_suffix(tmp_path: Path) -> None:
    with pytest.raises(DpnpError, match=r"figures are written as \.png, \.pdf or \.svg"):
        save_figure(drawn(), tmp_path / "a.gif")


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(DpnpError, match=r"a\.png cannot be written: Is a directory"):
        save_figure(drawn(), tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_matplotlib_s_global_state_is_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save_figure(drawn(), tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before
