"""Explanations as figures: the picture, the evidence, the distances and the training images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError, ImageError
from interpret.explain.answers import Example, Explanation
from interpret.explain.attribution_methods import EXACT, TITLES, Attribution
from interpret.explain.evidence import on_border, readable
from interpret.figures.evidence_panel import evidence_panel
from interpret.figures.layout import Layout
from interpret.figures.palette import AGAINST, FOR, GREY, INK, PALE, RULE
from interpret.model.fitting import Rectangle
from interpret.model.images import Preprocessing, decode
from interpret.retrieval.gallery_access import shown
from interpret.trust.verdict import WORDS

# Inches.
_MARGIN, _WIDTH = 0.45, 11.6
_CONTENT = _WIDTH - 2 * _MARGIN
_PANELS, _PANEL = 1.75, 2.75  # top and side of the picture and of the evidence
_EVIDENCE, _BARS = _MARGIN + _PANEL + 0.4, _WIDTH - _MARGIN - 3.45  # where the two panels start
_EXAMPLES = _PANELS + _PANEL + 0.75  # top of the training images
_NAMES = 2.15  # width of the column that names each row of them
_BETWEEN, _CAPTION, _BELOW = 0.18, 0.36, 0.3  # between two; two lines of text; space below

_COLUMNS = 8  # training images in a row, at most


def explanation_figure(
    bundle: Bundle,
    pixels: NDArray[np.uint8],
    explanation: Explanation,
    attribution: Attribution | None = None,
    original: Image.Image | None = None,
) -> Figure:
    """The explanation of one picture, uint8 RGB (S, S, 3) as the model saw it, on one page.

    `attribution` is drawn in place of the evidence map. The map lies over the `original`, an
    upright picture of any shape, where it is given.
    """
    predicted = "predicted" if explanation.positive.index == explanation.index else "asked for"
    groups = [
        ("Nearest to the prototype of", explanation.positive.label, f"the positive: {predicted}"),
        ("Nearest to the prototype of", explanation.negative.label, "the negative: its rival"),
        ("Nearest to this picture", "", ""),
    ]
    shown = (explanation.positive_examples, explanation.negative_examples, explanation.neighbours)
    columns, pitch = _columns(max(map(len, shown)), _CONTENT - _NAMES)
    heights = [_block(len(e), columns, pitch) for e in shown]
    layout = Layout(_WIDTH, _EXAMPLES + sum(heights) + 0.3)
    colours = {explanation.negative.label: AGAINST, explanation.positive.label: FOR}
    _heading(layout, bundle, explanation, colours.get(explanation.headline, INK))
    square = Rectangle(0, 0, *pixels.shape[:2])  # where the map lies on the picture below it
    if original is not None:
        square = Preprocessing.of(bundle.manifest).shown(original)
    _picture(layout, pixels, square, original)
    _evidence(layout, pixels if original is None else original, square, explanation, attribution)
    _bars(layout, explanation)
    top = _EXAMPLES
    for (title, name, role), examples, height in zip(groups, shown, heights, strict=True):
        layout.rule(_MARGIN, top - 0.17, _CONTENT)
        width = _NAMES - 0.2
        layout.text(_MARGIN, top + 0.15, title, width=width)
        layout.text(
            _MARGIN,
            top + 0.42,
            name,
            width=width,
            size=13,
            bold=True,
            colour=colours.get(name, INK),
        )
        layout.text(_MARGIN, top + 0.63, role, width=width, size=8, colour=GREY)
        _thumbnails(layout, bundle, examples, (_MARGIN + _NAMES, top), columns, pitch, colours)
        top += height
    return layout.figure


def example_sheet(bundle: Bundle, examples: Sequence[Example], title: str) -> Figure:
    """A contact sheet: the thumbnails of training images with label and distance."""
    columns, pitch = _columns(len(examples), _CONTENT)
    layout = Layout(_WIDTH, 1.05 + _block(len(examples), columns, pitch) + 0.1)
    layout.text(_MARGIN, 0.55, title, width=_CONTENT, size=15, bold=True)
    layout.text(_MARGIN, 0.8, _source(bundle), width=_CONTENT, size=8, colour=GREY)
    _thumbnails(layout, bundle, examples, (_MARGIN, 1.05), columns, pitch, {})
    return layout.figure


def _columns(count: int, width: float) -> tuple[int, float]:
    """How many thumbnails stand in a row, the rows evenly filled, and their pitch in inches."""
    columns = math.ceil(count / math.ceil(max(count, 1) / _COLUMNS)) if count else 1
    return columns, (width + _BETWEEN) / max(columns, 6)


def _block(count: int, columns: int, pitch: float) -> float:
    """The height in inches of that many thumbnails with their captions."""
    return math.ceil(max(count, 1) / columns) * (pitch - _BETWEEN + _CAPTION + _BELOW)


def _source(bundle: Bundle) -> str:
    manifest = bundle.manifest
    return (
        f"{manifest.name} · {manifest.fingerprint[:12]} · distances to training images are "
        "Euclidean, in the embedding space"
    )


def _heading(layout: Layout, bundle: Bundle, explanation: Explanation, colour: str) -> None:
    answer, limits = explanation, explanation.limits
    near = f"distance {_number(limits.ood_score - answer.novelty)}"
    if answer.novelty:
        near += f" + novelty {_number(answer.novelty)}"
    far, least = _number(limits.max_distance), _number(limits.min_margin)
    margin = _number(limits.margin)
    said, share = WORDS[answer.verdict], f"{answer.probability:.1%}"
    verdict = {
        "accept": f"{said}: {near} within {far}, margin {margin} over {least}",
        "ambiguous": f"{said}: the margin {margin} is under {least}",
        "none_of_these": f"nearest is {answer.label} ({share}): the {near} is over {far}",
    }[answer.verdict]
    taken = layout.text(
        _MARGIN, 0.68, answer.headline, width=_CONTENT * 0.7, size=24, bold=True, colour=colour
    )
    if answer.recognised:
        layout.text(_MARGIN + taken + 0.2, 0.68, share, width=1.5, size=24)
    layout.text(_MARGIN, 1.0, verdict, width=_CONTENT, size=11)
    layout.text(_MARGIN, 1.22, _source(bundle), width=_CONTENT, size=8, colour=GREY)


def _picture(
    layout: Layout, pixels: NDArray[np.uint8], square: Rectangle, original: Image.Image | None
) -> None:
    side = len(pixels)
    layout.text(_MARGIN, _PANELS - 0.12, "The picture", width=_PANEL, size=10, bold=True)
    layout.picture(_MARGIN, _PANELS, _PANEL, pixels)
    layout.text(
        _MARGIN, _PANELS + _PANEL + 0.22, f"as the model sees it, {side}×{side} pixels",
        width=_PANEL, size=8, colour=GREY,
    )  # fmt: skip
    if original is not None and original.width != original.height:
        note = f"of {original.width}×{original.height}"
        if max(square.left, square.top) > 0:
            note += "; beside it, what it does not see is pale"
        layout.text(_MARGIN, _PANELS + _PANEL + 0.39, note, width=_PANEL + 0.3, size=8, colour=GREY)


def _evidence(
    layout: Layout,
    picture: NDArray[np.uint8] | Image.Image,
    shown: Rectangle,
    explanation: Explanation,
    attribution: Attribution | None,
) -> None:
    title = "The evidence" if attribution is None else TITLES[attribution.method]
    layout.text(_EVIDENCE, _PANELS - 0.12, title, width=_PANEL, size=10, bold=True)
    if attribution is not None:
        values = readable(attribution.values)
    elif explanation.evidence is not None:
        values = np.array(explanation.evidence.values)
    else:
        axes = layout.axes(_EVIDENCE, _PANELS, _PANEL, _PANEL)
        axes.spines[:].set(visible=True, color=RULE, linewidth=0.6)
        note = "This network has no evidence map:\nit does not end in average pooling"
        axes.text(0.5, 0.5, note, ha="center", va="center", size=9, color=GREY)
        return
    evidence_panel(layout, (_EVIDENCE, _PANELS), _PANEL, picture, shown, values)
    line, half = _PANELS + _PANEL + 0.22, _PANEL / 2 - 0.1
    positive, negative = explanation.positive, explanation.negative
    taken = layout.text(
        _EVIDENCE, line, f"for {positive.label}", width=half, size=8, colour=FOR, bold=True
    )
    left = _EVIDENCE + taken + 0.15
    layout.text(left, line, f"for {negative.label}", width=half, size=8, colour=AGAINST, bold=True)
    total = f"in squared distance: the sum is {values.sum():.4g}"
    if attribution is not None and attribution.method not in EXACT:
        total = f"in squared distance; the margin is {attribution.margin:.4g}"
    elif isinstance(picture, Image.Image):
        beside = on_border(values, picture.size, shown)
        if abs(beside) > 1e-9 * np.abs(values).sum():  # else there is no border
            total += f", on the border {beside:.3g}".replace("-", "−")
    layout.text(_EVIDENCE, line + 0.17, total, width=_PANEL + 0.6, size=8, colour=GREY)


def _bars(layout: Layout, explanation: Explanation) -> None:
    names, away, angle = _BARS + 0.95, _WIDTH - _MARGIN - 0.52, _WIDTH - _MARGIN
    layout.text(_BARS, _PANELS - 0.12, "The nearest prototypes", width=2.2, size=10, bold=True)
    for right, head in ((away, "distance"), (angle, "angle")):
        layout.text(right, _PANELS + 0.14, head, width=0.6, size=8, colour=GREY, align="right")
    shown, slots = explanation.prototypes, 5
    pair = [explanation.positive.index, explanation.negative.index]
    pitch = (_PANEL - 0.25) / slots
    near, far = explanation.positive.distance, explanation.negative.distance
    longest = max(p.distance for p in shown) or 1.0
    axes = layout.axes(names + 0.08, _PANELS + 0.25, away - names - 0.65, pitch * slots)
    axes.set(xlim=(0, longest), ylim=(slots - 0.5, -0.5))
    colours = [dict(zip(pair, (FOR, AGAINST), strict=True)).get(p.index, PALE) for p in shown]
    axes.barh(range(len(shown)), [p.distance for p in shown], height=0.52, color=colours)
    if pair == [p.index for p in shown[:2]]:
        _bracket(axes, near, far)
    for row, prototype in enumerate(shown):
        line = _PANELS + 0.25 + pitch * (row + 0.5) + 0.05
        colour, bold = (colours[row], True) if prototype.index in pair else (INK, False)
        layout.text(
            names, line, prototype.label, width=0.95, align="right", colour=colour, bold=bold
        )
        layout.text(away, line, _number(prototype.distance), width=0.6, align="right")
        layout.text(angle, line, f"{prototype.angle_deg:.1f}°", width=0.6, align="right")
    layout.text(
        _BARS,
        _PANELS + _PANEL + 0.22,
        f"margin {_number(far)} − {_number(near)} = {_number(explanation.margin)}",
        width=angle - _BARS,
        size=8,
        colour=GREY,
    )


def _bracket(axes: Axes, near: float, far: float) -> None:
    """A bracket over the margin: the difference of the blue and the red bar's lengths."""
    axes.plot([near, far], [-0.42, -0.42], color=INK, linewidth=0.8, clip_on=False)
    for end in (near, far):
        axes.plot([end, end], [-0.42, 1.3], color=INK, linewidth=0.8, linestyle=":", clip_on=False)


def _thumbnails(
    layout: Layout,
    bundle: Bundle,
    examples: Sequence[Example],
    corner: tuple[float, float],
    columns: int,
    pitch: float,
    colours: Mapping[str, str],
) -> None:
    """Rows of training images from `corner` (left, top), each with its label and distance."""
    side = pitch - _BETWEEN
    if not examples:
        note = "The gallery holds no training images"
        layout.text(corner[0], corner[1] + 0.15, note, width=4, colour=GREY)
    for number, example in enumerate(examples):
        row, column = divmod(number, columns)
        left = corner[0] + column * pitch
        top = corner[1] + row * (side + _CAPTION + _BELOW)
        layout.picture(left, top, side, _thumbnail(bundle, example))
        colour, below = colours.get(example.label, INK), top + side
        layout.text(left, below + 0.17, example.label, width=side, size=8, colour=colour)
        layout.text(left, below + 0.33, _number(example.distance), width=side, size=8, colour=GREY)


def _thumbnail(bundle: Bundle, example: Example) -> Image.Image:
    try:
        return decode(shown(bundle.gallery.thumbnails[bundle.gallery_row(example.id)]))
    except ImageError as error:
        file = bundle.path / "thumbnails.bin"
        raise BundleError(
            f"{file}: the thumbnail of training image {example.id}: {error}"
        ) from error


def _number(value: float) -> str:
    digits = 2 if abs(value) >= 10 else 3
    return f"{value:.{digits}f}".replace("-", "−")
