"""Groups of classes: a less precise answer where the class is ambiguous.

An ambiguous answer has several classes in its prediction set. Of a tree of classes the smallest
node that holds the set is its group. The set is a conformal one of its own: the margin that lets a
class in is found on the ambiguous pictures among the held-out ones, so the chance that the class
of an ambiguous picture is in the set, and so in the group, is at least the stated coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.calibration_record import Calibration, GroupNode, Groups
from interpret.bundle.errors import DpnpError
from interpret.bundle.manifest import Manifest
from interpret.geometry.geometry import Array, distances
from interpret.model.predictor import Prediction
from interpret.trust.calibration import (
    Labels,
    Limits,
    accepted,
    conformal_quantile,
    find_limits,
    in_copies,
    label_margins,
)
from interpret.trust.verdict import Verdict

_ALIKE = 1e-3  # relative: prototypes whose nearest rivals' distances spread less are packed
_TINY = 1e-6  # a smaller probability says no more
_HALVES = 10
_NAMED = 4  # members that a node's name tells, at most


def built_nodes(
    prototypes: NDArray[np.floating], mistaken: NDArray[np.floating], names: Sequence[str]
) -> tuple[list[GroupNode], str]:
    """The inner nodes of a tree by average linkage of the prototypes' distances, and its source.

    Packed prototypes all have a rival at the same distance, which says nothing of the classes. Then
    it counts how probable each class is for pictures of the others: see `mistaken_for` (M, M).
    """
    from scipy.cluster.hierarchy import linkage  # here: the service does not need SciPy

    upper = np.triu_indices(len(names), 1)
    away = distances(prototypes, prototypes)
    nearest = np.where(np.eye(len(names), dtype=bool), np.inf, away).min(1)
    between, source = away[upper], "average linkage of the prototypes' distances"
    if nearest.std() <= _ALIKE * nearest.mean():
        between = -np.log((mistaken + mistaken.T)[upper] / 2 + _TINY)
        between = between - between.min()  # linkage takes distances
        source = "average linkage of how probable classes are for each other's pictures"
    members: list[list[int]] = [[index] for index in range(len(names))]
    for first, second, *_ in linkage(between, "average").tolist():
        members.append(sorted(members[int(first)] + members[int(second)]))
    inner = [[names[i] for i in own] for own in members[len(names) : -1]]  # without the root
    return _sorted([GroupNode(name=_name(own), members=own) for own in inner]), source


def given_nodes(document: Any, names: Sequence[str]) -> list[GroupNode]:
    """The inner nodes of a tree that is given: group names to lists of classes, or to groups again.

    Raises DpnpError for something else, a class that the model lacks, and one that stands twice.
    """
    nodes: list[GroupNode] = []

    def members(value: Any, where: str) -> list[str]:
        found: list[str] = []
        if isinstance(value, dict):
            for name, inside in value.items():
                own = members(inside, str(name))
                if 1 < len(own) < len(names):
                    nodes.append(GroupNode(name=str(name), members=own))
                found += own
        elif isinstance(value, list):
            for each in value:
                found += members(each, where) if isinstance(each, dict | list) else [str(each)]
        else:
            raise DpnpError(f"groups: {where}: neither a list of classes nor groups with names")
        return found

    every = members(document, "the file") if isinstance(document, dict) else None
    if not every:
        raise DpnpError("groups: not a mapping of group names to lists of classes")
    for name in every:
        if name not in names:
            raise DpnpError(f"groups: no class {name!r}")
        if every.count(name) > 1:
            raise DpnpError(f"groups: class {name!r} stands in two places")
    if not nodes:
        raise DpnpError("groups: none of them holds two classes or more, and not all of them")
    return _sorted(nodes)


def mistaken_for(prediction: Prediction, labels: Labels) -> Array:
    """The mean probabilities (M, M) of pictures of each class; 0 for a class without a picture."""
    classes = prediction.probabilities.shape[1]
    means = np.zeros((classes, classes))
    for index in np.unique(labels).tolist():
        means[index] = prediction.probabilities[labels == index].mean(0, dtype=np.float64)
    return means


def find_groups(
    prediction: Prediction,
    labels: Labels,
    names: Sequence[str],
    found: Calibration,
    nodes: Sequence[GroupNode],
    source: str,
) -> Groups | None:
    """Groups for a calibrated model from the held-out pictures of its calibration, in as many
    copies; None when too few of them are ambiguous to promise the coverage.
    """
    copies = found.changes + 1
    whole = len(labels) // copies
    limits = find_limits(prediction, labels, found.coverage, copies)
    unsure = ambiguous(prediction, limits)
    margin = _set_margin(prediction, labels, unsure, found.coverage, copies)
    if margin is None:
        return None
    kept: list[float] = []
    given: list[float] = []
    for seed in range(_HALVES):
        order = np.random.default_rng(seed).permutation(whole)
        fit, rest = (in_copies(o, whole, copies) for o in np.split(order, [whole // 2]))
        part, own = prediction.part(fit), labels[fit]
        limits = find_limits(part, own, found.coverage, copies)
        half = _set_margin(part, own, ambiguous(part, limits), found.coverage, copies)
        trial = prediction.part(rest)
        rows = np.flatnonzero(ambiguous(trial, limits))
        if half is None or not len(rows):
            continue
        groups = [_smallest(trial.distances[row], half, nodes, names) for row in rows]
        pairs = zip(labels[rest][rows].tolist(), groups, strict=True)
        right = [names[label] in group.members for label, group in pairs if group is not None]
        given.append(len(right) / len(rows))
        kept += right
    return Groups(
        source=source,
        nodes=list(nodes),
        min_margin=margin,
        examples=int(unsure[:whole].sum()),
        measured_coverage=float(np.mean(kept)) if kept else None,
        given=float(np.mean(given)) if given else None,
    )


def ambiguous(prediction: Prediction, limits: Limits) -> NDArray[np.bool_]:
    """Which answers (N,) get the verdict `ambiguous`."""
    answers = prediction.answers
    near = prediction.ood_score <= limits.max_distance[answers]
    result: NDArray[np.bool_] = near & ~accepted(prediction, limits)
    return result


class GroupShares(NamedTuple):
    """What becomes of the answers to labelled pictures that are not accepted."""

    not_accepted: int
    ambiguous: int
    grouped: int  # ambiguous answers with a group
    right: int  # groups that hold their picture's class

    @classmethod
    def of(
        cls,
        prediction: Prediction,
        labels: Labels,
        manifest: Manifest,
        given: Sequence[Verdict],
    ) -> GroupShares:
        """With the groups of a bundle; `given` are its verdicts (N)."""
        names = manifest.class_names
        rows = [row for row, each in enumerate(given) if each == "ambiguous"]
        groups = [group_of(prediction.distances[row], manifest.groups, names) for row in rows]
        pairs = [(r, g) for r, g in zip(rows, groups, strict=True) if g is not None]
        right = sum(names[labels[row]] in group.members for row, group in pairs)
        return cls(len(given) - given.count("accept"), len(rows), len(pairs), right)


def group_of(
    away: NDArray[np.floating], groups: Groups | None, names: Sequence[str]
) -> GroupNode | None:
    """The group of an ambiguous picture at these distances (M,) from the prototypes; None when no
    node but the whole tree holds its prediction set.
    """
    return None if groups is None else _smallest(away, groups.min_margin, groups.nodes, names)


def _smallest(
    away: NDArray[np.floating], margin: float, nodes: Sequence[GroupNode], names: Sequence[str]
) -> GroupNode | None:
    # The nearest class is in the set; for the others the nearest rival is that class.
    order = np.argsort(away, kind="stable")
    inside = {names[i] for i in order if i == order[0] or away[order[0]] - away[i] >= margin}
    return next((node for node in nodes if inside <= set(node.members)), None)


def _set_margin(
    prediction: Prediction,
    labels: Labels,
    unsure: NDArray[np.bool_],
    coverage: float,
    copies: int,
) -> float | None:
    gaps = -label_margins(prediction.distances[unsure], labels[unsure])
    found = conformal_quantile(gaps, coverage, copies)
    return None if np.isinf(found) else -max(found, 0.0)


def _sorted(nodes: list[GroupNode]) -> list[GroupNode]:
    return sorted(nodes, key=lambda node: len(node.members))


def _name(members: Sequence[str]) -> str:
    if len(members) <= _NAMED:
        return ", ".join(members)
    return f"{', '.join(members[: _NAMED - 1])} and {len(members) - _NAMED + 1} more"
