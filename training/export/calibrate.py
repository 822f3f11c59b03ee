"""A bundle with limits for each class, a temperature and a novelty, found on labelled pictures.

Everything is found on the network alone, without what an earlier calibration left in its graph.
So a calibrated bundle, calibrated again on the same pictures, is the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.manifest import Calibration, Change
from interpret.model.onnx_head import with_temperature, without_temperature
from interpret.model.predictor import Prediction, Predictor
from interpret.trust import calibration
from training.evaluate.labelled import DataSource, LabelledData, load_labelled, predict_split
from training.evaluate.ood import compare_ood, ood_files
from training.export.novelty_fit import add_novelty


class CalibratedModel(NamedTuple):
    """A graph with novelty and temperature, its limits, and the predictions they come from."""

    model: bytes
    calibration: Calibration
    untempered: Predictor  # the graph with novelty and without the temperature
    prediction: Prediction  # of `untempered`, for the held-out pictures


class Trial(NamedTuple):
    """Shares of verdicts on pictures that the limits were not found on."""

    split: str
    examples: int
    kept: float  # share of the pictures whose class is kept; `coverage` was stated
    accepted: float  # share of the pictures with the verdict accept


class Calibrated(NamedTuple):
    """The bundle that was written, and how its limits fare on another split, if there is one."""

    bundle: Bundle
    trial: Trial | None


def calibrate_model(
    model: bytes,
    data: LabelledData,
    class_names: list[str],
    split: str,
    coverage: float = calibration.COVERAGE,
    *,
    evidence: bool = False,
) -> CalibratedModel:
    """Find novelty on the training split, and limits and temperature on the split `split`.

    What an earlier calibration put into the graph is replaced. The labels of `data` index the
    class names; `evidence` keeps that of the held-out pictures, too. Raises DpnpError for too few
    pictures.
    """
    model, fitted = add_novelty(without_temperature(model), data.splits["train"])
    predictor = Predictor(model)
    prediction = predict_split(
        partial(predictor, evidence=evidence), data.splits[split], predictor.input_size, split
    )
    found = calibration.calibrate(prediction, data.labels[split], class_names, split, coverage)
    return CalibratedModel(
        with_temperature(model, found.temperature),
        found.model_copy(update={"novelty": fitted}),
        predictor,
        prediction,
    )


def recalibrated(
    bundle: Bundle,
    model: bytes,
    data: LabelledData,
    split: str,
    coverage: float,
    ood: Mapping[str, Sequence[Path]],
) -> CalibratedModel:
    """`calibrate_model` for a bundle with this `model` in place of its own, with AUROCs against
    noise and the picture files in `ood`, by name.
    """
    names = bundle.manifest.class_names
    done = calibrate_model(model, data, names, split, coverage, evidence=True)
    limited = bundle.manifest.model_copy(update={"calibration": done.calibration})
    apart = compare_ood(bundle, done.untempered, done.prediction, ood, limited)
    return done._replace(
        calibration=done.calibration.model_copy(update={"out_of_distribution": apart})
    )


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
    done = recalibrated(bundle, bundle.read("model.onnx"), data, split, coverage, strangers)
    manifest, labels = bundle.manifest, data.labels[split]
    what = f"calibrated on {len(labels):,} pictures of {data.name}'s {split}"
    update = {
        "name": out.name,
        "calibration": done.calibration,
        "changes": [*manifest.changes, Change(parent=manifest.fingerprint, what=what)],
    }
    written = write_bundle(
        out,
        manifest.model_copy(update=update),
        model=done.model,
        prototypes=bundle.prototypes,
        embeddings=bundle.embeddings,
        gallery=bundle.gallery,
        weights=bundle.read("weights.safetensors"),
        features=bundle.features(),
    )
    if (final := data.final) == split:
        return Calibrated(written, None)
    on_final = predict_split(done.untempered, data.splits[final], manifest.input_size, final)
    kept, accepted = calibration.coverage_on(
        (done.prediction, labels), (on_final, data.labels[final]), coverage
    )
    return Calibrated(written, Trial(final, len(on_final.distances), kept, accepted))
