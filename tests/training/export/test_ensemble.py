"""An ensemble answers as the mean of its members' softmaxes, without training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from interpret.model.predictor import Predictor
from tests.training.conftest import quick_config
from training.config.errors import ConfigError
from training.data.splits import DataSet
from training.export.ensemble import export_ensemble
from training.run.distillation import load_network
from training.run.loop import train


@pytest.fixture(scope="module")
def runs(digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name, lr in (("one", 0.05), ("two", 0.02)):
        train(quick_config(auxiliary=1.0, epochs=1, lr=lr), digits, folder / name)
    return [folder / "one", folder / "two"]


def test_the_nearest_prototype_is_the_answer_of_the_mean_logits(
    runs: list[Path], digits: DataSet, tmp_path: Path
):
    bundle = export_ensemble(runs, "digits", tmp_path / "both", gallery=2)
    pixels = digits.splits["test"].pixels(16, "reading")
    with torch.no_grad():
        logits = 0
        for run in runs:
            network = load_network(run, 10, 16).eval()
            assert network.auxiliary is not None
            _, _, pooled = network(torch.from_numpy(pixels).permute(0, 3, 1, 2))
            logits = logits + network.auxiliary(pooled).numpy() / 2
    found = Predictor(bundle)(pixels, evidence=True)
    np.testing.assert_array_equal(found.distances.argmin(1), logits.argmax(1))
    np.testing.assert_array_equal(found.probabilities.argmax(1), logits.argmax(1))
    # Inner products with the prototypes are the mean logits at one scale, less each row's mean.
    products = found.embedding @ bundle.prototypes.T
    centred = logits - logits.mean(1, keepdims=True)
    scale = (products * centred).sum() / (centred**2).sum()
    np.testing.assert_allclose(products, scale * centred, atol=2e-3 * np.abs(products).max())
    assert found.evidence is not None
    np.testing.assert_allclose(found.evidence.mean((2, 3)), found.embedding, atol=1e-3)
    manifest = bundle.manifest
    assert (manifest.backbone, manifest.embedding_dim) == ("small+small", 9)
    assert manifest.metrics.rules_disagree == 0
    assert manifest.metrics.geometry.min_sep_deg == pytest.approx(96.38, abs=0.05)
    assert manifest.training["ensemble"] == [str(run) for run in runs]
    assert manifest.calibration is not None


def test_what_does_not_fit_is_refused(
    runs: list[Path], uninterrupted, digits: DataSet, tmp_path: Path, tmp_path_factory
):
    with pytest.raises(ConfigError, match="two runs or more"):
        export_ensemble(runs[:1], "digits", tmp_path / "one")
    with pytest.raises(ConfigError, match="without --auxiliary"):
        export_ensemble([runs[0], uninterrupted[1]], "digits", tmp_path / "other")
    squashed = tmp_path_factory.mktemp("squashed")
    train(quick_config(auxiliary=1.0, epochs=1, fit="squash"), digits, squashed)
    with pytest.raises(ConfigError, match="their --fit differs"):
        export_ensemble([runs[0], squashed], "digits", tmp_path / "other")
    assert not list(tmp_path.iterdir())
