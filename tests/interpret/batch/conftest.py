"""Sources of pictures for batch jobs."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), COLOURS[colour]).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a folder of so many pictures, each in a folder called by its colour."""

    def make(count: int) -> Path:
        folder = tmp_path / "pictures"
        for i in range(count):
            colour = list(COLOURS)[i % 3]
            (folder / colour).mkdir(parents=True, exist_ok=True)
            (folder / colour / f"{i:05}.png").write_bytes(png(colour))
        return folder

    return make
