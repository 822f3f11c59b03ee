"""Pictures for the toy bundle."""

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="session")
def yellows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures: yellow, and a yellow half as bright."""
    folder = tmp_path_factory.mktemp("pictures") / "yellow"
    folder.mkdir()
    for name, value in (("a", 255), ("b", 127)):
        Image.new("RGB", (6, 6), (value, value, 0)).save(folder / f"{name}.png")
    return folder
