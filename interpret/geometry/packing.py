"""Points spread over a sphere, as far apart as can be found, and the limits that are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.geometry.geometry import Array

# Tammes' problem in three dimensions: the widest smallest angle between M points, in degrees. Only
# proven values, and only those that no formula below gives.
_TAMMES = {
    7: 77.8695421554,
    8: 74.8584922186,
    9: 70.5287793655,
    10: 66.1468220105,
    11: 63.4349488229,
    12: 63.4349488229,
    13: 57.1367030784,
    14: 55.6705700015,
    24: 43.6907671030,
}
_SHARPNESS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
_ITERATIONS = 100  # at each sharpness
LARGEST = 500  # points: with more, the M² cosines of an iteration take minutes
# Products of all rounds that more points are moved apart in: half a minute of one core. In 10-D
# 10,000 points have 50 rounds, 100,000 have 24.
_PRODUCTS = 5e10
_ALL_PAIRS = 10_000  # points: of more, each is compared with those in the cells around it alone
_PROBES = 8  # such cells
_ROUNDS = 100  # at most
_PART = 2**22  # cosines held at a time
_MOST_TRIES, _TRIED_POINTS = 40, 600  # packings tried: fewer when each has more points
_CLOSE = 0.005  # degrees from a proven limit: good enough to stop

NUMERICAL = "numerical"  # the source of a limit that is no proof: the best packing found


class Limit(NamedTuple):
    """The widest possible smallest angle between M points in d dimensions."""

    degrees: float
    source: str  # a proven value's name, or NUMERICAL


def spread(points: Array, sharpness: Sequence[float] = _SHARPNESS) -> Array:
    """Unit vectors (M, d) moved apart until their smallest angle stops growing.

    Minimises a soft maximum of the cosines, ever sharper, by L-BFGS. It ends in a local optimum:
    see `packing`.
    """
    from scipy.optimize import minimize  # here: the service does not need it

    shape = points.shape

    def energy(flat: Array, value: float) -> tuple[float, Array]:
        vectors = flat.reshape(shape)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / norms
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -np.inf)
        top = cosines.max()
        weights = np.exp(value * (cosines - top))
        total = weights.sum()
        slope = 2 * (weights @ unit) / total
        slope -= (slope * unit).sum(1, keepdims=True) * unit  # along the sphere
        return top + math.log(total) / value, (slope / norms).ravel()

    for value in sharpness:
        found = minimize(
            energy,
            points.ravel(),
            args=(value,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ITERATIONS},
        )
        points = found.x.reshape(shape)
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    return points


def random_directions(count: int, dim: int, seed: int) -> Array:
    """Unit vectors (M, d), uniform on the sphere."""
    points = np.random.default_rng(seed).standard_normal((count, dim))
    unit: Array = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit


@lru_cache
def packing(count: int, dim: int, seed: int = 0) -> Array:
    """Unit vectors (M, d) as far apart as could be found, from several seeded starts.

    More than LARGEST points come from one random start, and are moved apart in a bounded number of
    rounds: the more points there are, the fewer.
    """
    if count > LARGEST:
        points = _moved_apart(random_directions(count, dim, seed), _rounds(count, dim))
        points.setflags(write=False)
        return points
    limit, best = proven_widest_angle(count, dim), random_directions(count, dim, seed)
    for attempt in range(max(1, min(_MOST_TRIES, _TRIED_POINTS // count))):
        # A soft start finds the best basin for most (M, d), a harder one for some: take turns.
        start = random_directions(count, dim, seed + 1000 * attempt)
        points = spread(start, _SHARPNESS[attempt % 2 :])
        if _smallest_angle(points) > _smallest_angle(best):
            best = points
        if limit and _smallest_angle(best) > limit.degrees - _CLOSE:
            break
    best.setflags(write=False)  # it is cached
    return best


def _rounds(count: int, dim: int) -> int:
    compared = count
    if count > _ALL_PAIRS:
        compared = _cells(count) + _PROBES * count // _cells(count)
    return min(_ROUNDS, int(_PRODUCTS / (count * compared * dim)))


def _cells(count: int) -> int:
    return int(2 ** round(math.log2(2 * math.sqrt(count))))


def _moved_apart(points: Array, rounds: int) -> Array:
    """Each round moves every point away from its nearest neighbour, less and less far. The best
    round's points (M, d): those whose mean angle to the nearest neighbour is widest.
    """
    best, widest = points, -1.0
    for number in range(rounds + 1):
        near = _nearest if len(points) <= _ALL_PAIRS else _nearest_by_cells
        neighbours, cosines = near(points, number)
        spacing = np.arccos(np.clip(cosines, -1, 1))
        if spacing.mean() > widest:
            best, widest = points, spacing.mean()
        away = points - points[neighbours]
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
        # Points that have room already stay where they are.
        short = np.maximum(1.5 * spacing.mean() - spacing, 0)[:, None]
        points = points + (1 - number / (rounds + 1)) * 0.5 * short * away
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    return best


def _nearest(points: Array, _: int = 0) -> tuple[NDArray[np.int64], Array]:
    """Each point's nearest other one, and the cosine of the angle between the two."""
    narrow, step = points.astype(np.float32), max(1, _PART // len(points))
    index, cosines = np.empty(len(points), np.int64), np.empty(len(points))
    for start in range(0, len(points), step):
        between = narrow[start : start + step] @ narrow.T
        own = np.arange(len(between))
        between[own, own + start] = -2
        index[start : start + step] = between.argmax(1)
        cosines[start : start + step] = between.max(1)
    return index, cosines


def _nearest_by_cells(points: Array, turn: int) -> tuple[NDArray[np.int64], Array]:
    """As `_nearest`, but for about every twelfth point another one that is near.

    The sphere is cut into cells around some of the points. `turn` says which these are, so that a
    neighbour that one round misses is found by the next.
    """
    import faiss  # here: nothing else of this room needs it

    narrow, cells = points.astype(np.float32), _cells(len(points))
    centres = faiss.IndexFlatIP(narrow.shape[1])
    centres.add(narrow[(turn * cells + np.arange(cells)) % len(points)])
    index: Any = faiss.IndexIVFFlat(centres, narrow.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.is_trained, index.nprobe = True, _PROBES
    index.add(narrow)
    cosines, found = index.search(narrow, 2)
    # The nearest to a point is itself, but for rounding, or for another one at the same place.
    other = np.where(found[:, 0] == np.arange(len(points)), 1, 0)[:, None]
    picked = np.take_along_axis(found, other, 1)[:, 0]
    return picked, np.take_along_axis(cosines, other, 1)[:, 0].astype(np.float64)


def widest_angle(count: int, dim: int) -> Limit | None:
    """How far apart `count` prototypes can be in `dim` dimensions at most.

    The proven value, or that of the best packing found. None for more than LARGEST points for
    which nothing is proven.
    """
    proven = proven_widest_angle(count, dim)
    if proven or count > LARGEST:
        return proven
    return Limit(_smallest_angle(packing(count, dim)), NUMERICAL)


def proven_widest_angle(count: int, dim: int) -> Limit | None:
    """The limit where it is known: d ≥ M − 1 (simplex), M ≤ 2 d (Rankin: a right angle), d = 2,
    and Tammes' values in 3-D.
    """
    if dim == 1:
        return Limit(180.0 if count == 2 else 0.0, "line")
    if dim >= count - 1:
        return Limit(math.degrees(math.acos(-1 / (count - 1))), "simplex")
    if dim == 2:
        return Limit(360 / count, "circle")
    if count <= 2 * dim:
        return Limit(90.0, "Rankin")
    if dim == 3 and count in _TAMMES:
        return Limit(_TAMMES[count], "Tammes")
    return None


def _smallest_angle(points: Array) -> float:
    cosines = points @ points.T
    np.fill_diagonal(cosines, -1)
    return math.degrees(math.acos(min(1.0, float(cosines.max()))))
