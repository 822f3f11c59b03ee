"""How faithful attributions are: the same measures for every method and for a random map.

- Deletion and insertion: pixels are blurred, or restored in a blurred picture, in the order of
  the map, from the most positive. The margin should fall, or rise, at once. The figure is the
  area under the mean curve, scaled so that the picture's margin is 1 and the blurred one's 0.
- ROAD: pixels are removed and filled from those around them. The figure is the mean margin without
  those that speak least for the class, less that without those that speak most, over 20 to 80 % of
  the pixels, as a share of the picture's margin: higher is better, a random order has 0.
- Infidelity: random blocks of the picture are blurred. The map's sum over a block should be the
  fall of the margin. The figure is the squared error over the squares of the falls, after the map
  is scaled to fit best: 0 is faithful, 1 no better than a map of zeros.
- Sensitivity: the relative change of the map when every pixel changes a little.
- Completeness: the relative error of the map's sum, for methods whose theory gives that sum.
- Sanity: the rank correlation with the map of a network whose weights were shuffled. That network
  knows nothing, so 0 is best.
- Milliseconds: the wall clock's for one map, the median over the pictures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from interpret.bundle.bundle import Bundle
from interpret.explain.attribution import Attributor
from interpret.explain.attribution_methods import LOCAL, TITLES, Attribution, AttributionMethod
from interpret.explain.map_margins import enlarged, pair_margins, ranks
from interpret.explain.road import road_margins
from interpret.geometry.geometry import Array
from interpret.model.images import featureless
from interpret.model.onnx_weights import shuffled
from interpret.model.predictor import Pixels
from interpret.model.progress import progress

RANDOM = "random"
STEPS = 16  # of the curves
BLOCKS = 24  # blurred, one at a time, for the infidelity
CLOSER = 25  # pictures for sensitivity and sanity, which need further maps of each
_NUDGES, _NUDGE = 3, 4.0  # for the sensitivity: how many, and how far a pixel of 0–255 goes


class Curves(NamedTuple):
    """Margins (STEPS + 1,) as more of a picture is changed."""

    deletion: Array
    insertion: Array


@dataclass(frozen=True)
class Faithfulness:
    """A method's figures. None: the method's theory gives no such figure."""

    method: str
    deletion: float  # lower is better
    insertion: float  # higher is better
    road: float  # higher is better
    infidelity: float  # in [0, 1], lower is better
    sensitivity: float  # lower is better
    completeness: float | None  # median relative error
    sanity: float  # nearer to 0 is better
    milliseconds: float  # for a map
    curves: Curves = field(repr=False)


def measure_faithfulness(bundle: Bundle, pixels: Pixels) -> list[Faithfulness]:
    """Measure every available method on pictures (N, S, S, 3), and a random map last.

    The margin of a picture is that of its answer against the second most probable class.
    """
    attributor = Attributor(bundle)
    naive = Attributor(bundle, shuffled(bundle.read("model.onnx"), seed=0))
    order = np.argsort(-attributor.predictor(pixels).probabilities, axis=1)[:, :2]
    methods: list[str] = [*available(attributor), RANDOM]
    found: dict[str, list[_One]] = {method: [] for method in methods}
    with progress() as bar:
        task = bar.add_task("attributing", total=len(pixels))
        for number, (picture, pair) in enumerate(zip(pixels, order.tolist(), strict=True)):
            for method in methods:
                closer = naive if number < CLOSER else None
                found[method].append(_one(attributor, closer, picture, method, pair, number))
            bar.advance(task)
    return [_mean(method, ones) for method, ones in found.items()]


def available(attributor: Attributor) -> list[AttributionMethod]:
    """The methods that work on this network."""
    return [m for m in TITLES if m not in LOCAL or attributor.predictor.has_evidence]


def curves(attributor: Attributor, picture: Pixels, values: Array, pair: Sequence[int]) -> Curves:
    """The margins as the pixels are blurred, and as they come back, most positive first."""
    size = len(picture)
    cuts = np.linspace(0, size * size, STEPS + 1)
    gone = ranks(values, size)[None, :, :, None] < cuts[:, None, None, None]
    blurred = featureless(picture)
    deleted, inserted = np.where(gone, blurred, picture), np.where(gone, picture, blurred)
    found = pair_margins(attributor, np.concatenate([deleted, inserted]), pair)
    return Curves(found[: STEPS + 1], found[STEPS + 1 :])


def infidelity(
    attributor: Attributor, picture: Pixels, values: Array, pair: Sequence[int], seed: int
) -> float:
    """min over β of E(β·Σ values − fall)² / E fall², over random blocks (Yeh et al., 2019)."""
    size, generator = len(picture), np.random.default_rng(seed)
    sides = generator.integers(max(2, size // 8), size // 2 + 1, BLOCKS)
    masks = np.zeros((BLOCKS, size, size), bool)
    for mask, side in zip(masks, sides.tolist(), strict=True):
        top, left = generator.integers(0, size - side + 1, 2)
        mask[top : top + side, left : left + side] = True
    changed = np.where(masks[..., None], featureless(picture), picture)
    whole, *parts = pair_margins(attributor, np.concatenate([picture[None], changed]), pair)
    fall = whole - np.array(parts)
    spread = enlarged(values, size) * (values.size / size**2)  # a location's value over its pixels
    told = (masks * spread).sum((1, 2))
    energy = float((fall**2).sum() * (told**2).sum())
    return 1 - float((told * fall).sum()) ** 2 / energy if energy else 1.0


class _One(NamedTuple):
    curves: Curves
    road: Array  # (2, shares), see road_margins
    infidelity: float
    completeness: float | None
    sensitivity: float | None
    sanity: float | None
    seconds: float


def _one(
    attributor: Attributor,
    naive: Attributor | None,
    picture: Pixels,
    method: str,
    pair: list[int],
    number: int,
) -> _One:
    """One method on one picture. `naive` is the shuffled network, None to leave out two figures."""
    started = time.perf_counter()
    values, missing = _map(attributor, picture, method, pair, number)
    seconds = time.perf_counter() - started
    sensitivity = sanity = None
    if naive is not None:
        generator = np.random.default_rng(number)
        changes = []
        for nudge in range(_NUDGES):
            step = generator.uniform(-_NUDGE, _NUDGE, picture.shape)
            moved = np.clip(picture + step, 0, 255).round().astype(np.uint8)
            other, _ = _map(attributor, moved, method, pair, number + 1000 * (nudge + 1))
            changes.append(np.linalg.norm(other - values) / (np.linalg.norm(values) or 1))
        sensitivity = float(max(changes))
        unlearnt, _ = _map(naive, picture, method, pair, number + 500)
        sanity = rank_correlation(values, unlearnt)
    return _One(
        curves(attributor, picture, values, pair),
        road_margins(attributor, picture, values, pair, number),
        infidelity(attributor, picture, values, pair, number),
        missing,
        sensitivity,
        sanity,
        seconds,
    )


def _map(
    attributor: Attributor, picture: Pixels, method: str, pair: list[int], seed: int
) -> tuple[Array, float | None]:
    """A method's map, and the relative error of its sum."""
    if method == RANDOM:
        shape = picture.shape[:2]
        return np.random.default_rng(seed).standard_normal(shape), None
    known = next(name for name in TITLES if name == method)
    found: Attribution = attributor.attribute(picture, known, *pair)
    if found.expected_sum is None:
        return found.values, None
    error = abs(found.values.sum() - found.expected_sum) / max(abs(found.expected_sum), 1e-9)
    return found.values, float(error)


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's rank correlation of two maps of one shape; 0 for a constant map."""
    from scipy.stats import spearmanr  # here: the service does not need it

    if not np.ptp(a) or not np.ptp(b):
        return 0.0
    return float(spearmanr(a, b, axis=None).statistic)


def _mean(method: str, ones: list[_One]) -> Faithfulness:
    deletion = np.mean([one.curves.deletion for one in ones], axis=0)
    insertion = np.mean([one.curves.insertion for one in ones], axis=0)
    # The mean curves are scaled, not each picture's: a single one may start where it ends.
    picture, blurred = deletion[0], insertion[0]
    most, least = np.mean([one.road for one in ones], axis=(0, 2)) / (abs(picture) or 1)
    deletion, insertion = (
        (curve - blurred) / ((picture - blurred) or 1) for curve in (deletion, insertion)
    )
    missing = [one.completeness for one in ones if one.completeness is not None]
    return Faithfulness(
        method,
        deletion=float(np.trapezoid(deletion, dx=1 / STEPS)),
        insertion=float(np.trapezoid(insertion, dx=1 / STEPS)),
        road=float(least - most),
        infidelity=float(np.mean([one.infidelity for one in ones])),
        sensitivity=float(np.mean([o.sensitivity for o in ones if o.sensitivity is not None])),
        completeness=float(np.median(missing)) if missing else None,
        sanity=float(np.mean([o.sanity for o in ones if o.sanity is not None])),
        milliseconds=1000 * float(np.median([one.seconds for one in ones])),
        curves=Curves(deletion, insertion),
    )
