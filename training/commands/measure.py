"""Measurements over a bundle and labelled pictures: calibration, novelty, audit, explanations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.errors import DpnpError
from interpret.bundle.manifest import Change, Manifest, OutOfDistribution
from interpret.commands.bundles import said
from interpret.edit import editing
from interpret.model.images import fit_square, open_image, pictures_in
from interpret.model.onnx_graph import with_temperature
from interpret.model.predictor import Prediction, Predictor, joined
from interpret.model.progress import parallel_map
from interpret.trust import calibration
from interpret.trust import ood_scores as novelty
from training.commands.printed_tables import print_calibration, print_faithfulness, print_novelty
from training.config.errors import DataError
from training.data.datasets import Split, load_data
from training.export.novelty_fit import add_novelty

if TYPE_CHECKING:  # it needs Captum
    from interpret.explain.faithfulness import Faithfulness


@dataclass(frozen=True)
class Source:
    """Where labelled pictures come from, as the command line has it."""

    spec: str
    seed: int | None = None
    root: Path = Path("data")
    download: bool = False


@dataclass(frozen=True)
class Pictures:
    """Splits of a data set with their labels in the bundle's order of classes."""

    name: str
    splits: dict[str, Split]
    labels: dict[str, NDArray[np.int64]]
    final: str  # the split for final figures: test, or valid without one

    def chosen(self, split: str | None) -> str:
        """The split asked for, or the final one; raises DataError for one that is not there."""
        split = split or self.final
        if split not in self.splits:
            raise DataError(f"--split {split}: {self.name} has {', '.join(self.splits)}")
        return split


def load_pictures(bundle: Bundle, source: Source) -> Pictures:
    """A data set in the bundle's classes. Raises DataError and UnknownLabelError."""
    training = bundle.manifest.training
    data = load_data(
        source.spec,
        seed=int(training.get("seed", 0) if source.seed is None else source.seed),
        root=source.root,
        download=source.download,
        valid_share=float(training.get("valid_share", 0.0)),
    )
    index = np.array([bundle.class_index(name) for name in data.class_names])
    labels = {name: index[split.labels] for name, split in data.splits.items()}
    return Pictures(data.name, data.splits, labels, data.evaluation_split())


def predict_all(
    predictor: Predictor, split: Split, title: str, *, evidence: bool = False
) -> Prediction:
    """What the model computes for every picture of a split, in chunks that fit the memory."""
    parts = []
    for start in range(0, max(len(split), 1), 512):
        part = split.subset(np.arange(start, min(start + 512, len(split))))
        pixels = part.pixels(predictor.input_size, f"{title} {start:,}/{len(split):,}")
        parts.append(predictor(pixels, evidence=evidence))
    return joined(parts)


def calibrate_bundle(
    path: Path,
    source: Source,
    out: Path,
    *,
    split: str | None = None,
    coverage: float = calibration.COVERAGE,
    strange: Sequence[str] = (),
) -> Bundle:
    """Write a bundle with limits for each class, a temperature and AUROCs, from held-out pictures.

    `split` defaults to valid, or test without one. Raises DpnpError.
    """
    bundle = Bundle.load(path)
    pictures = load_pictures(bundle, source)
    split = pictures.chosen(split or ("valid" if "valid" in pictures.splits else None))
    model, fitted = add_novelty(bundle.read("model.onnx"), pictures.splits["train"])
    predictor = Predictor(model)
    prediction = predict_all(predictor, pictures.splits[split], split, evidence=True)
    manifest = bundle.manifest
    found = calibration.calibrate(
        prediction, pictures.labels[split], manifest.class_names, split, coverage
    )
    limited = manifest.model_copy(update={"calibration": found})
    apart = out_of_distribution(bundle, predictor, prediction, strange, limited)
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
    what = f"calibrated on {len(pictures.labels[split]):,} pictures of {pictures.name}'s {split}"
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
    print_calibration(found, f"{out}  ({written.manifest.fingerprint[:12]})")
    if (final := pictures.final) != split:
        trial = predict_all(predictor, pictures.splits[final], final)
        share, taken = calibration.coverage_on(
            (prediction, pictures.labels[split]), (trial, pictures.labels[final]), coverage
        )
        print(
            f"on {len(trial.distances):,} pictures of {final}: {share:.1%} keep their class "
            f"({coverage:.1%} stated), {taken:.1%} are accepted"
        )
    return written


def out_of_distribution(
    bundle: Bundle,
    predictor: Predictor,
    usual: Prediction,
    strange: Sequence[str],
    manifest: Manifest,
) -> list[OutOfDistribution]:
    """The AUROCs of every score on noise, and on the pictures of each folder in `strange`, and
    their verdicts with the limits of `manifest`.
    """
    reference = novelty.Reference.of(bundle)
    own = novelty.scores(usual, reference)
    found = []
    for name, pixels in _strange_pictures(predictor.input_size, strange):
        prediction = predictor(pixels, evidence=True)
        found.append(novelty.compare(own, prediction, reference, manifest, name))
    return found


def evaluate_novelty(
    path: Path,
    source: Source,
    split: str | None,
    strange: Sequence[str],
    *,
    as_json: bool = False,
) -> list[OutOfDistribution]:
    """Measure how well each score tells strange pictures from a split, and print it."""
    bundle = Bundle.load(path)
    pictures = load_pictures(bundle, source)
    split = pictures.chosen(split)
    predictor = Predictor(bundle)
    usual = predict_all(predictor, pictures.splits[split], split, evidence=True)
    found = out_of_distribution(bundle, predictor, usual, strange, bundle.manifest)
    if as_json:
        print(json.dumps([each.model_dump() for each in found], indent=2))
    else:
        print_novelty(found)
    return found


def evaluate_explanations(
    path: Path,
    source: Source,
    split: str | None,
    count: int,
    out: Path | None,
    *,
    as_json: bool = False,
) -> list[Faithfulness]:
    """Measure how faithful every attribution method is on `count` pictures of a split."""
    from interpret.explain.faithfulness import measure
    from interpret.figures.faithfulness_figure import faithfulness_figure
    from interpret.figures.layout import figure_format, save_figure

    if out is not None:
        figure_format(out)
    bundle = Bundle.load(path)
    pictures = load_pictures(bundle, source)
    chosen = pictures.splits[pictures.chosen(split)]
    rows = np.unique(np.linspace(0, len(chosen) - 1, min(count, len(chosen))).astype(np.int64))
    found = measure(bundle, chosen.subset(rows).pixels(bundle.manifest.input_size, "decoding"))
    if out is not None:
        save_figure(faithfulness_figure(found, len(rows)), out)
    if as_json:
        plain = [{k: v for k, v in vars(each).items() if k != "curves"} for each in found]
        print(json.dumps(plain, indent=2))
    else:
        print_faithfulness(found, f"{path}: {len(rows):,} pictures of {pictures.name}")
    return found


def add_class(
    path: Path,
    label: str,
    folder: Path,
    out: Path,
    source: Source | None,
    *,
    on_sphere: bool = False,
) -> tuple[float, float] | None:
    """Add a class; with a data set of the old classes, what it costs: accuracy before and after."""
    bundle = Bundle.load(path)
    pictures = None if source is None else load_pictures(bundle, source)
    added = editing.add_class(bundle, label, folder, out, on_sphere=on_sphere)
    said(added)
    if pictures is None:
        return None
    prediction = predict_all(Predictor(bundle), pictures.splits[pictures.final], pictures.final)
    before, after = editing.accuracy_cost(
        prediction.embedding, pictures.labels[pictures.final], bundle.prototypes, added.prototypes
    )
    print(
        f"accuracy on {len(prediction.embedding):,} pictures of the old classes: "
        f"{before:.2%} before, {after:.2%} with {label!r}"
    )
    return before, after


def _strange_pictures(size: int, specs: Iterable[str]) -> Iterable[tuple[str, NDArray[np.uint8]]]:
    yield "noise", novelty.noise(size)
    for spec in specs:
        folder = Path(spec.removeprefix("folder:")).expanduser()
        if not spec.startswith("folder:") or not folder.is_dir():
            raise DpnpError(f"--ood {spec}: not folder:PATH of a folder")
        files = pictures_in(folder)
        if not files:
            raise DpnpError(f"--ood {spec}: no pictures in it")
        pixels = parallel_map(
            lambda file: fit_square(open_image(file), size), files, f"decoding {folder.name}"
        )
        # With its parent: "flowers/test" says more than "test".
        yield "/".join(folder.absolute().parts[-2:]), np.stack(pixels)
