"""One run of the whole comparison, shared by the tests of its parts."""

from pathlib import Path

import pytest

from tests.training.commands.command_line import dpnp

# In the place of a pretrained network, so that the tests are quick.
OVERRIDES = ("backbone=tiny", "weights=none", "norms=train", "image_size=16", "lr=0.1")
SMALL = tuple(part for text in OVERRIDES for part in ("--set", text))


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `dpnp reproduce all` on digits leaves behind."""
    out = tmp_path_factory.mktemp("reproduce")
    with pytest.MonkeyPatch.context() as patch:
        options = ("--preset", "cpu", "--data", "digits", "--epochs", 2, *SMALL, "--out", out)
        assert dpnp("reproduce", "all", *options, monkeypatch=patch) == 0
    return out
