"""Settings: where a bundle is looked up, how CPUs are shared, and what a wrong one says."""

from pathlib import Path

import pytest
from bentoml.exceptions import BentoMLException

from serving.settings import Settings
from tests.serving.servers import ROOT


def test_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("serving.settings.cpu_count", lambda: 8)
    assert Settings(bundle=Path("none")).bundle_path == tmp_path / "none"
    assert Settings(bundle=Path("serving")).bundle_path == ROOT / "serving"
    (tmp_path / "serving").mkdir()
    assert Settings(bundle=Path("serving")).bundle_path == tmp_path / "serving"
    assert Settings(workers=3).process_threads == 2
    assert Settings(workers=9).process_threads == 1
    assert Settings(workers=3, threads=5).process_threads == 5


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPNP_WORKERS", "0")
    monkeypatch.setenv("DPNP_DEVICE", "tpu")
    with pytest.raises(BentoMLException) as caught:
        Settings.read()
    first, second = str(caught.value).split("; ")
    assert first == "DPNP_DEVICE: Input should be 'auto', 'cpu' or 'cuda'"
    assert second == "DPNP_WORKERS: Input should be greater than 0"


def test_the_token_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPNP_API_TOKEN", "a-secret-of-many-letters")
    settings = Settings.read()
    assert "secret-of" not in repr(settings)
    assert settings.api_token is not None
    assert settings.api_token.get_secret_value() == "a-secret-of-many-letters"
