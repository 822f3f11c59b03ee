"""A bundle with limits for each class, a temperature and a novelty, found on labelled pictures.

Everything is found on the network alone, without what an earlier calibration left in its graph.
So a calibrated bundle, calibrated again on the same pictures, is the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.calibration_record import Calibration, GroupNode
from interpret.bundle.errors import DpnpError
from interpret.bundle.manifest import Change, Manifest
from interpret.model.onnx_head import with_temperature, without_temperature
from interpret.model.predictor import Prediction, Predictor
from interpret.retrieval.vector_index import index_writer
from interpret.trust import calibration, groups
from training.evaluate.labelled import DataSource, LabelledData, load_labelled, predict_split
from training.evaluate.ood import compare_ood, ood_files
from training.evaluate.under_changes import in_copies
from training.export.novelty_fit import add_novelty

GIVEN = "given"  # the source of a tree that a person wrote
CHANGES = 6  # benign changes of each held-out picture that limits are found on, too


class CalibratedModel(NamedTuple):
    """A graph with novelty and temperature, its limits, and the predictions they come from."""

    model: bytes
    calibration: Calibration
    untempered: Predictor  # the graph with novelty and without the temperature
    prediction: Prediction  # of `untempered`, for the held-out pictures
    copies: Prediction  # the same, then for them under benign changes


class Tree(NamedTuple):
    """The inner nodes of a tree of classes, and where it comes from, in words."""

    nodes: list[GroupNode]
    source: str


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
    prototypes: NDArray[np.float32],
    coverage: float = calibration.COVERAGE,
    *,
    evidence: bool = False,
    tree: Tree | None = None,
) -> CalibratedModel:
    """Find novelty on the training split, and limits and temperature on the split `split`.

    What an earlier calibration put into the graph is replaced. The labels of `data` index the
    class names; `evidence` keeps that of the held-out pictures, too. `tree` groups the classes;
    None builds one. Raises DpnpError for too few pictures.
    """
    model, fitted = add_novelty(without_temperature(model), data.splits["train"])
    predictor, pictures, labels = Predictor(model), data.splits[split], data.labels[split]
    predict = partial(predictor, evidence=evidence)
    prediction = predict_split(predict, pictures, predictor.input_size, split)
    copies = CHANGES + 1
    whole = in_copies(predictor, prediction, pictures, CHANGES, split)
    repeated = np.tile(labels, copies)
    found = calibration.calibrate(whole, repeated, class_names, split, coverage, copies)
    if tree is None:
        mistaken = groups.mistaken_for(prediction, labels)
        tree = Tree(*groups.built_nodes(prototypes, mistaken, class_names))
    grouped = groups.find_groups(whole, repeated, class_names, found, *tree)
    return CalibratedModel(
        with_temperature(model, found.temperature),
        found.model_copy(update={"novelty": fitted, "groups": grouped}),
        predictor,
        prediction,
        whole,
    )


def given_tree(manifest: Manifest) -> Tree | None:
    """The tree that an earlier calibration was given; one that was built is built anew."""
    found = manifest.groups
    return Tree(found.nodes, found.source) if found and found.source == GIVEN else None


def read_tree(file: Path, class_names: list[str]) -> Tree:
    """The tree of classes in a YAML file. Raises DpnpError for one that is none."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DpnpError(f"--groups {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DpnpError(f"--groups {file}: not YAML ({error})") from error
    try:
        return Tree(groups.given_nodes(document, class_names), GIVEN)
    except DpnpError as error:
        raise DpnpError(f"--groups {file}: {error}") from error


def recalibrated(
    bundle: Bundle,
    model: bytes,
    data: LabelledData,
    split: str,
    coverage: float,
    ood: Mapping[str, Sequence[Path]],
    tree: Tree | None = None,
) -> CalibratedModel:
    """`calibrate_model` for a bundle with this `model` in place of its own, with AUROCs against
    noise and the picture files in `ood`, by name.
    """
    names = bundle.manifest.class_names
    done = calibrate_model(
        *(model, data, names, split, bundle.prototypes, coverage),
        evidence=True,
        tree=tree or given_tree(bundle.manifest),
    )
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
    tree: Path | None = None,
) -> Calibrated:
    """Write a bundle with limits for each class, a temperature and AUROCs, from held-out pictures.

    `split` defaults to valid, or test without one; `ood` holds folders of pictures of no class, as
    folder:PATH. `tree` is a YAML file of groups of classes. Raises DpnpError.
    """
    bundle, strangers = Bundle.load(path), ood_files(ood)
    given = None if tree is None else read_tree(tree, bundle.manifest.class_names)
    data = load_labelled(bundle, source)
    split = data.chosen(split or data.held_out)
    done = recalibrated(bundle, bundle.read("model.onnx"), data, split, coverage, strangers, given)
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
        index=index_writer(bundle),
    )
    if (final := data.final) == split:
        return Calibrated(written, None)
    on_final = predict_split(done.untempered, data.splits[final], manifest.input_size, final)
    copies = done.calibration.changes + 1
    kept, accepted = calibration.coverage_on(
        (done.copies, np.tile(labels, copies)), (on_final, data.labels[final]), coverage, copies
    )
    return Calibrated(written, Trial(final, len(on_final.distances), kept, accepted))
