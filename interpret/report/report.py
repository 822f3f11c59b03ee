"""One page about a bundle: its metrics, its embedding space, its classes and their examples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.calibration_record import Calibration
from interpret.bundle.manifest import Manifest
from interpret.figures.palette import AGAINST, FOR, GREY, INK, RULE
from interpret.figures.sphere_3d import sphere_plot
from interpret.figures.sphere_map import SphereData
from interpret.geometry import geometry
from interpret.geometry.packing import widest_angle
from interpret.model.picture_formats import data_uri
from interpret.report import html_page as web
from interpret.retrieval.gallery import Gallery
from interpret.retrieval.gallery_access import shown
from interpret.retrieval.projection import Projection

EXAMPLES = 8  # training images of each class


class ClassSummary(NamedTuple):
    """A class on the page: its nearest rival, its nearest training images, and its strays."""

    label: str
    pictures: int
    rival: str
    rival_angle: float
    rival_distance: float
    own_angle: float  # mean, of its training images to its prototype
    nearest: list[str]  # thumbnails as addresses
    strays: list[tuple[str, str]]  # training images nearer to a rival: thumbnail and rival


def report_page(bundle: Bundle) -> str:
    """The page as HTML; everything is in it."""
    manifest = bundle.manifest
    classes, dim = bundle.prototypes.shape
    limit = widest_angle(classes, dim)
    away = geometry.distances(bundle.embeddings, bundle.prototypes)
    return web.render(
        "report.html",
        title=manifest.name,
        manifest=manifest,
        scores=_scores(manifest),
        sphere=Markup(sphere_plot(sphere_data(bundle), height="620px")),
        angles=web.svg(_angle_figure(bundle, limit.degrees if limit else None)),
        limit=limit,
        calibration=manifest.calibration,
        novelty=_novelty(manifest),
        plot=web.svg(_margin_figure(bundle, away)) if len(away) else None,
        reliability=web.svg(_reliability_figure(manifest.calibration))
        if manifest.calibration
        else None,
        classes=_classes(bundle, away),
        facts=_facts(manifest),
    )


def sphere_data(bundle: Bundle) -> SphereData:
    """The gallery around the prototypes. More than three dimensions are projected as on /map."""
    seen = Projection(np.concatenate([bundle.prototypes, bundle.embeddings]))
    points, centres = seen(bundle.embeddings), seen(bundle.prototypes)
    return SphereData(points, bundle.gallery.labels, bundle.manifest.class_names, centres)


def _scores(manifest: Manifest) -> list[tuple[str, str]]:
    """The large numbers at the top: each value with its name."""
    metrics, found = manifest.metrics, manifest.calibration
    shown = [
        (f"{metrics.accuracy:.2%}", f"accuracy, {metrics.examples:,} pictures of {metrics.split}"),
        (f"{metrics.accuracy_nearest_prototype:.2%}", "by the nearest prototype"),
        (f"{metrics.geometry.min_sep_deg:.2f}°", "smallest angle between two prototypes"),
        (f"{metrics.geometry.intra_class_angle_deg:.2f}°", "mean angle to the own prototype"),
        (f"{metrics.geometry.scr:.2f}", "separation to compactness"),
        (f"{metrics.expected_calibration_error:.4f}", "expected calibration error"),
    ]
    if found is not None:
        shown[-1] = (
            f"{found.expected_calibration_error:.4f}",
            f"expected calibration error, {found.split}",
        )
        shown.append((f"{found.measured_coverage:.1%}", f"coverage; {found.coverage:.0%} stated"))
        shown.append((f"{found.accepted:.1%}", "of answers accepted"))
    return shown


def _novelty(manifest: Manifest) -> list[tuple[str, list[str]]]:
    """The table of AUROCs: a row for each score, a value for each set of pictures."""
    found = manifest.calibration.out_of_distribution if manifest.calibration else []
    if not found:
        return []
    return [(name, [f"{each.auroc[name]:.3f}" for each in found]) for name in found[0].auroc]


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    splits = ", ".join(f"{count:,} {name}" for name, count in manifest.data.splits.items())
    worst = max(manifest.certificate.max_abs_difference.values(), default=0.0)
    return [
        ("method", f"{manifest.method}, backbone {manifest.backbone}"),
        ("embedding", f"{manifest.embedding_dim} dimensions"),
        ("pictures", f"{manifest.data.name}: {splits}"),
        ("input", f"{manifest.input_size}×{manifest.input_size}; {manifest.preprocessing}"),
        ("torch and ONNX Runtime", f"differ by {worst:.1g} at most"),
        *((f"change {n}", change.what) for n, change in enumerate(manifest.changes, 1)),
        ("fingerprint", manifest.fingerprint),
    ]


def _classes(bundle: Bundle, away: NDArray[np.float64]) -> list[ClassSummary]:
    names, labels = bundle.manifest.class_names, bundle.gallery.labels
    degrees = geometry.angles(bundle.prototypes, bundle.prototypes)
    between = geometry.distances(bundle.prototypes, bundle.prototypes)
    np.fill_diagonal(between, np.inf)
    own_angles = geometry.intra_class_angles(bundle.embeddings, labels, bundle.prototypes)
    found = Gallery(bundle).search(bundle.prototypes, EXAMPLES).rows
    summaries = []
    for c, name in enumerate(names):
        rival = int(between[c].argmin())
        own = np.flatnonzero(labels == c)
        strays = own[away[own].argmin(1) != c] if len(own) else own
        strays = strays[np.argsort(away[strays].min(1) - away[strays, c])][:EXAMPLES]
        summaries.append(
            ClassSummary(
                name,
                len(own),
                names[rival],
                float(degrees[c, rival]),
                float(between[c, rival]),
                float(own_angles[own].mean()) if len(own) else float("nan"),
                [data_uri(shown(bundle.gallery.thumbnails[row])) for row in found[c]],
                [
                    (data_uri(shown(bundle.gallery.thumbnails[row])), names[away[row].argmin()])
                    for row in strays
                ],
            )
        )
    return summaries


def _angle_figure(bundle: Bundle, limit: float | None) -> Figure:
    """Two histograms: angles between prototypes, with the widest possible smallest one, and of
    training images to their own prototype.
    """
    between = geometry.angles(bundle.prototypes, bundle.prototypes)
    pairs = between[np.triu_indices(len(between), 1)]
    own = geometry.intra_class_angles(bundle.embeddings, bundle.gallery.labels, bundle.prototypes)
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(pairs, bins=np.arange(0, 184, 4), color=AGAINST)
    left.set_xlabel("angle between two prototypes, degrees")
    if limit is not None:
        left.axvline(limit, color=FOR, linewidth=1.5, linestyle=":")
        left.annotate(
            f" widest possible smallest: {limit:.2f}°",
            (limit, 0.93),
            xycoords=("data", "axes fraction"),
            color=FOR,
            ha="left" if limit < 110 else "right",
        )
    if len(own):
        right.hist(own, bins=60, color=AGAINST)
        right.axvline(own.mean(), color=FOR, linewidth=1.5, linestyle=":")
    right.set_xlabel("angle of a training image to its own prototype, degrees")
    for axes in (left, right):
        _plain(axes)
    return figure


def _reliability_figure(found: Calibration) -> Figure:
    """The share of right answers by their probability. A point's size is its number of answers."""
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    sizes = [20 + 260 * each.examples / found.examples for each in found.reliability]
    axes.scatter(
        [each.confidence for each in found.reliability],
        [each.accuracy for each in found.reliability],
        s=sizes,
        color=AGAINST,
        alpha=0.75,
        linewidth=0,
        clip_on=False,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the answer", ylabel="share right")
    _plain(axes)
    return figure


def _margin_figure(bundle: Bundle, away: NDArray[np.float64]) -> Figure:
    """Distance to the own prototype against that to the nearest other, for training images."""
    rows, labels = np.arange(len(away)), bundle.gallery.labels
    own, others = away[rows, labels], away.copy()
    others[rows, labels] = np.inf
    rival = others.min(1)
    figure = Figure(figsize=(5.4, 4.2), layout="constrained")
    axes = figure.subplots()
    shown = np.random.default_rng(0).permutation(len(away))[:4000]  # more would only be heavy
    right = own[shown] <= rival[shown]
    for chosen, colour in ((right, AGAINST), (~right, FOR)):
        axes.scatter(
            own[shown][chosen], rival[shown][chosen], s=7, color=colour, alpha=0.45, linewidth=0
        )
    top = float(max(own.max(), rival.max())) * 1.03
    axes.plot([0, top], [0, top], color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="distance to the own prototype")
    axes.set_ylabel("distance to the nearest other")
    _plain(axes)
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(colors=INK, labelsize=9)
