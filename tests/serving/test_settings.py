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


def test_lists_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings.read().allow_origins, Settings.read().trusted_proxies) == ((), ())
    monkeypatch.setenv(
        "DPNP_ALLOW_ORIGINS", "HTTPS://Lab.example:443/, http://[::1]:8000 https://x.example:8443"
    )
    monkeypatch.setenv("DPNP_TRUSTED_PROXIES", "10.0.0.0/8,::1")
    settings = Settings.read()
    assert settings.allow_origins == (
        "https://lab.example",
        "http://[::1]:8000",
        "https://x.example:8443",
    )
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("ALLOW_ORIGINS", "lab.example", "'lab.example' is no origin"),
        ("ALLOW_ORIGINS", "null", "'null' is no origin"),
        ("ALLOW_ORIGINS", "ftp://lab.example", "'ftp://lab.example' is no origin"),
        ("ALLOW_ORIGINS", "https://lab.example:x", "'https://lab.example:x' is no origin"),
        ("ALLOW_ORIGINS", "https://lab.example/app", "it has a path"),
        ("TRUSTED_PROXIES", "nginx", "'nginx' is no address or network"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
    ],
)
def test_what_is_no_origin_or_network(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(f"DPNP_{name}", value)
    with pytest.raises(BentoMLException, match=f"^DPNP_{name}: ") as caught:
        Settings.read()
    assert fault in str(caught.value)
