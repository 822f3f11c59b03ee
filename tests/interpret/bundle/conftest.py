"""A copy of the toy bundle that a test may spoil."""

import shutil
from pathlib import Path

import pytest

from interpret.bundle.bundle import Bundle


@pytest.fixture
def copy(toy_bundle: Bundle, tmp_path: Path) -> Path:
    return shutil.copytree(toy_bundle.path, tmp_path / "toy")
