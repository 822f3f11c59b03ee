"""One run of the whole comparison, shared by the tests of its parts."""

from pathlib import Path

import pytest

from tests.training.commands.command_line import dpnp


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `dpnp reproduce all` on digits leaves behind."""
    out = tmp_path_factory.mktemp("reproduce")
    with pytest.MonkeyPatch.context() as patch:
        options = ("--preset", "cpu", "--data", "digits", "--epochs", 2, "--out", out)
        assert dpnp("reproduce", "all", *options, monkeypatch=patch) == 0
    return out
