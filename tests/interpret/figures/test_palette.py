import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from interpret.figures import palette
from interpret.figures.palette import blend, class_colours


@pytest.mark.parametrize("count", [1, 10, 102])
def test_every_class_has_its_own_colour(count: int):
    colours = class_colours(count)
    assert len(set(colours)) == count
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)


def test_the_first_colours_stay_when_there_are_more():
    assert class_colours(102)[:10] == class_colours(10)
    assert class_colours(300)[256:] == class_colours(300)[:44]


# Machado, Oliveira and Fernandes 2009, at full severity; rows act on linear RGB.
DEFICIENCIES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


@pytest.mark.parametrize(("count", "least"), [(10, 12), (20, 8), (30, 6)])
@pytest.mark.parametrize("matrix", DEFICIENCIES.values(), ids=DEFICIENCIES)
def test_colours_are_told_apart_by_colour_blind_readers(
    matrix: list[list[float]], count: int, least: float
):
    colours = class_colours(count)
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(matrix).T, 0, 1)
    x, y, z = np.cbrt(seen @ TO_XYZ.T / [0.9505, 1, 1.089]).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
    assert min(np.linalg.norm(a - b) for a, b in combinations(lab, 2)) > least  # ΔE; 2 is just seen


def test_blending_by_hand():
    assert blend("#000000", "#ffffff", 0.6) == "#999999"
    assert blend("#ff0000", "#0000ff", 0.25) == "#bf0040"


def test_figures_and_overlay_have_the_same_pair():
    assert (palette.FOR, palette.AGAINST) == ("#d62f27", "#2166ac")


def test_every_colour_is_written_down_here_alone():
    """But for the evidence's pair, whose overlay is part of an answer."""
    package = Path(__file__).parents[3] / "interpret"
    files = [*package.rglob("*.py"), *package.rglob("*.html")]
    assert [f.name for f in files if re.search(r"#[0-9a-fA-F]{6}\b", f.read_text())] == [
        "palette.py"
    ]


def test_the_palette_needs_no_matplotlib():
    code = "import interpret.figures.palette, sys; print('matplotlib' in sys.modules)"
    root = Path(__file__).parents[3]
    asked = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
    assert asked.stdout.strip() == b"False"
