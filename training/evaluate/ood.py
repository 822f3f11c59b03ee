"""How well a bundle tells pictures of no class from its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import OutOfDistribution
from interpret.bundle.errors import DpnpError
from interpret.bundle.manifest import Manifest
from interpret.model.images import Preprocessing, open_image
from interpret.model.picture_files import pictures_in
from interpret.model.predictor import Prediction, Predictor
from interpret.model.reading import read_each
from interpret.trust import ood_scores
from training.evaluate.labelled import LabelledData, predict_split


def evaluate_ood(
    bundle: Bundle, data: LabelledData, split: str, folders: Sequence[str]
) -> list[OutOfDistribution]:
    """How well each score tells noise, and the pictures of each folder, from a split's pictures."""
    files = ood_files(folders)
    predictor = Predictor(bundle)
    predict = partial(predictor, evidence=True)
    usual = predict_split(predict, data.splits[split], predictor.input_size, split)
    return compare_ood(bundle, predictor, usual, files, bundle.manifest)


def ood_files(folders: Sequence[str]) -> dict[str, list[Path]]:
    """The picture files of each folder:PATH, by a short name. Raises DpnpError for one without."""
    found = {}
    for spec in folders:
        folder = Path(spec.removeprefix("folder:")).expanduser()
        if not spec.startswith("folder:") or not folder.is_dir():
            raise DpnpError(f"--ood {spec}: not folder:PATH of a folder")
        files = pictures_in(folder)
        if not files:
            raise DpnpError(f"--ood {spec}: no pictures in it")
        # With its parent: "flowers/test" says more than "test".
        found["/".join(folder.absolute().parts[-2:])] = files
    return found


def compare_ood(
    bundle: Bundle,
    predictor: Predictor,
    usual: Prediction,
    files: Mapping[str, Sequence[Path]],
    manifest: Manifest,
) -> list[OutOfDistribution]:
    """The AUROC of every score on noise and on each set of files, against the `usual` pictures,
    and the share of each verdict with the limits of `manifest`.
    """
    reference = ood_scores.GalleryStatistics.of(bundle)
    own = ood_scores.scores(usual, reference)
    found = []
    for name, pixels in _ood_pictures(Preprocessing.of(manifest), files):
        prediction = predictor(pixels, evidence=True)
        found.append(ood_scores.compare(own, prediction, reference, manifest, name))
    return found


def _ood_pictures(
    fitted: Preprocessing, files: Mapping[str, Sequence[Path]]
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    yield "noise", ood_scores.noise(fitted.size)
    for name, own in files.items():
        read = read_each(lambda file: fitted(open_image(file)), own, f"decoding {name}")
        if not read:
            raise DpnpError(f"--ood {name}: none of {len(own):,} pictures can be read")
        yield name, np.stack([pixels for _, pixels in read])
