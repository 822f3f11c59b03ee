"""A folder of many photographs out of few."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.model.picture_formats import format_of
from tests.benchmarks.photograph_folder import photographs


def test_copies_are_encoded_anew(tmp_path: Path):
    random = np.random.default_rng(0)
    for i in range(40):
        folder = tmp_path / "photos" / ("set" if i % 2 else "") / "cat"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.{'jpg' if i < 30 else 'png'}")
    (folder / "bad.jpg").write_bytes(b"no picture")
    (tmp_path / "photos" / "few").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photos" / "few" / "1.jpg")
    made = photographs(tmp_path / "photos", tmp_path / "out", 90)
    assert [file.name for file in made] == [f"{i:06}.jpg" for i in range(90)]
    assert {file.parent.name for file in made} == {"cat"}
    assert len({file.read_bytes() for file in made}) == 90
    assert {format_of(file.read_bytes()) for file in made} == {"JPEG"}
    assert made[0].read_bytes() == (tmp_path / "photos" / "cat" / "00.jpg").read_bytes()
    with pytest.raises(SystemExit, match="out: is there already"):
        photographs(tmp_path / "photos", tmp_path / "out", 90)
    with pytest.raises(SystemExit, match="no photographs in folders of 20 or more"):
        photographs(tmp_path / "photos" / "few", tmp_path / "other", 90)
