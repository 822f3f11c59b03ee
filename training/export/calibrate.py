"""A bundle with limits for each class and a temperature, found on held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.manifest import Change
from interpret.model.onnx_head import with_temperature
from interpret.model.predictor import Predictor
from interpret.trust import calibration
from training.evaluate.labelled import DataSource, load_labelled, predict_split
from training.evaluate.ood import compare_ood, ood_files
from training.export.novelty_fit import add_novelty


class Trial(NamedTuple):
    """What the limits do on pictures that they were not found on."""

    split: str
    examples: int
    kept: float  # share of the pictures whose class is kept; `coverage` was stated
    accepted: float  # share of the pictures with the verdict accept


class Calibrated(NamedTuple):
    """The bundle that was written, and how its limits fare on another split, if there is one."""

    bundle: Bundle
    trial: Trial | None


def calibrate_bundle(
    path: Path,
    source: DataSource,
    out: Path,
    *,
    split: str | None = None,
    coverage: float = calibration.COVERAGE,
    ood: Sequence[str] = (),
) -> Calibrated:
    """Write a bundle with limits for each class, a temperature and AUROCs, from held-out pictures.

    `split` defaults to valid, or test without one; `ood` holds folders of pictures of no class, as
    folder:PATH. Raises DpnpError.
    """
    bundle, strangers = Bundle.load(path), ood_files(ood)
    data = load_labelled(bundle, source)
    split = data.chosen(split or data.held_out)
    model, fitted = add_novelty(bundle.read("model.onnx"), data.splits["train"])
    predictor = Predictor(model)
    size, manifest = predictor.input_size, bundle.manifest
    prediction = predict_split(partial(predictor, evidence=True), data.splits[split], size, split)
    found = calibration.calibrate(
        prediction, data.labels[split], manifest.class_names, split, coverage
    )
    limited = manifest.model_copy(update={"calibration": found})
    apart = compare_ood(bundle, predictor, prediction, strangers, limited)
    # The graph may hold a temperature already: what was found is relative to it.
    earlier = manifest.calibration.temperature if manifest.calibration else 1.0
    model = with_temperature(model, found.temperature)
    found = found.model_copy(
        update={
            "temperature": earlier * found.temperature,
            "novelty": fitted,
            "out_of_distribution": apart,
        }
    )
    what = f"calibrated on {len(data.labels[split]):,} pictures of {data.name}'s {split}"
    history = [*manifest.changes, Change(parent=manifest.fingerprint, what=what)]
    written = write_bundle(
        out,
        manifest.model_copy(update={"calibration": found, "changes": history, "name": out.name}),
        model=model,
        prototypes=bundle.prototypes,
        embeddings=bundle.embeddings,
        gallery=bundle.gallery,
        weights=bundle.read("weights.safetensors"),
    )
    if (final := data.final) == split:
        return Calibrated(written, None)
    on_final = predict_split(predictor, data.splits[final], size, final)
    kept, accepted = calibration.coverage_on(
        (prediction, data.labels[split]), (on_final, data.labels[final]), coverage
    )
    return Calibrated(written, Trial(final, len(on_final.distances), kept, accepted))
