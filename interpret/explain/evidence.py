"""The exact evidence map: where in the picture the decision comes from.

The embedding h is the mean of per-location embeddings f_xy, so the margin of squared distances
‖h−c_neg‖² − ‖h−c_pos‖² = 2 (c_pos − c_neg)·h + ‖c_neg‖² − ‖c_pos‖² is a sum over locations. (The
two norms cancel on the sphere.) No gradient, no approximation: the map's sum is the margin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpret.model.fitting import Rectangle

# Blue speaks against, red for. Readers with any kind of colour blindness tell the two apart.
# `interpret.figures.palette` hands the pair on to all other drawings.
AGAINST, FOR = (33, 102, 172), (214, 47, 39)
_STRONGEST_TINT = 0.8  # the picture stays visible below the strongest evidence
TINY = 64  # pixels: up to this side a picture is enlarged with its pixels' edges kept
SEEN = 56  # locations a side that can still be told apart
FEW = 400  # locations, up to which each one counts
_GREYS = (100, 240)  # the picture's range below the tint: on black no tint could be seen
_PALE = (205, 250)  # the range of what the model does not see


def evidence_map(
    local: NDArray[np.floating],
    positive: NDArray[np.floating],
    negative: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Split ‖h−negative‖² − ‖h−positive‖² over locations.

    `local` (d, h, w) are the per-location embeddings, `positive` and `negative` (d,) two
    prototypes. Returns (h, w) float64 in squared distance units: positive values speak for
    `positive`; the sum is the margin.
    """
    local, positive, negative = (
        np.asarray(a, dtype=np.float64) for a in (local, positive, negative)
    )
    rows, cols = local.shape[1:]
    linear = 2 * np.einsum("d,dyx->yx", positive - negative, local)
    split: NDArray[np.float64] = (linear + negative @ negative - positive @ positive) / (
        rows * cols
    )
    return split


def group_evidence(
    local: NDArray[np.floating], prototypes: NDArray[np.floating], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Split a group's margin over locations: the mean squared distance to the prototypes (M, d)
    outside of it, less that to the ones `inside` (M,).

    That margin is 2 (c̄_in − c̄_out)·h plus a number, with c̄ the groups' mean prototypes: linear
    in h, as it is for two classes. Returns (h, w) as `evidence_map` does.
    """
    local, centres = np.asarray(local, np.float64), np.asarray(prototypes, np.float64)
    near, far = centres[inside], centres[~inside]
    linear = 2 * np.einsum("d,dyx->yx", near.mean(0) - far.mean(0), local)
    rest = np.square(far).sum(1).mean() - np.square(near).sum(1).mean()
    split: NDArray[np.float64] = (linear + rest) / (local.shape[1] * local.shape[2])
    return split


def readable(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """A map (h, w) summed into blocks, so that at most SEEN of them stand on a side.

    Each value is the sum of its block, so the sum of the whole map stays.
    """
    block = -(-max(values.shape) // SEEN)
    rows, cols = (np.arange(0, side, block) for side in values.shape)
    blocks: NDArray[np.floating] = np.add.reduceat(np.add.reduceat(values, rows, 0), cols, 1)
    return blocks


def strongest(values: NDArray[np.floating]) -> float:
    """The |value| that gets the strongest tint.

    It is the largest one; on a map with more than FEW locations it is the 99th percentile, for
    there a single location would leave all others pale.
    """
    sizes = np.abs(values)
    return float(sizes.max() if sizes.size <= FEW else np.quantile(sizes, 0.99)) or 1.0


def overlay(
    pixels: NDArray[np.uint8], evidence: NDArray[np.floating], size: int | None = None
) -> Image.Image:
    """The picture (S, S, 3) in grey, tinted by its evidence (h, w): red speaks for, blue against.

    The picture is grey so that every colour is evidence. The tint is proportional to |evidence|
    up to `strongest`. Locations keep their edges: the overlay shows the very numbers that sum to
    the margin. `size` is the side of the result in pixels.
    """
    side = size or len(pixels)
    if even_squares(pixels, evidence, side):  # a pixel is tinted once, then enlarged
        small = Image.fromarray(tinted(pixels, evidence, len(pixels)))
        return small.resize((side, side), Image.Resampling.NEAREST)
    return Image.fromarray(tinted(pixels, evidence, side))


def even_squares(pixels: NDArray[np.uint8], evidence: NDArray[np.floating], side: int) -> bool:
    """Whether each pixel of a tiny picture becomes a square of one colour in its overlay."""
    own = len(pixels)
    return own <= TINY and not (side % own or any(own % n for n in evidence.shape))


def overlay_on(
    picture: Image.Image, shown: Rectangle, evidence: NDArray[np.floating], longest: int
) -> Image.Image:
    """The original picture in grey, each cell of the map (h, w) tinted where it lies on it.

    `shown` is where the square that the map splits lies: see fitting.shown_rectangle. What it
    leaves out is pale; cells on a border outside of the picture are not drawn. `longest` is the
    longer side of the result in pixels.
    """
    scale = longest / max(picture.size)
    width, height = (max(round(side * scale), 1) for side in picture.size)
    cells = (
        _cells(height, picture.height, shown.top, shown.bottom, evidence.shape[0]),
        _cells(width, picture.width, shown.left, shown.right, evidence.shape[1]),
    )
    seen = np.logical_and.outer(*(cell >= 0 for cell in cells))
    strength = np.clip(evidence / strongest(evidence), -1, 1)[np.ix_(*cells)]
    smooth = Image.Resampling.NEAREST if max(picture.size) <= TINY else Image.Resampling.BICUBIC
    grey = np.asarray(picture.convert("L").resize((width, height), smooth), dtype=np.float32)
    ranges = (low + grey * ((high - low) / 255) for low, high in (_GREYS, _PALE))
    return Image.fromarray(_tint(np.where(seen, *ranges), np.where(seen, strength, 0)))


def _cells(pixels: int, side: int, start: float, end: float, count: int) -> NDArray[np.intp]:
    """The cell of `count` between `start` and `end` that each pixel of a drawing lies in, −1
    outside of all; the drawing shows a picture's `side`.
    """
    centres = (np.arange(pixels) + 0.5) * side / pixels
    cells = np.floor((centres - start) / (end - start) * count).astype(np.intp)
    return np.where((cells >= 0) & (cells < count), cells, -1)


def on_border(evidence: NDArray[np.floating], original: tuple[int, int], shown: Rectangle) -> float:
    """The part of the map's sum that lies on the border beside an original of this width and
    height; a cell half on the border counts half.
    """
    width, height = original
    inside = np.outer(
        _inside(height, shown.top, shown.bottom, evidence.shape[0]),
        _inside(width, shown.left, shown.right, evidence.shape[1]),
    )
    return float((evidence * (1 - inside)).sum())


def _inside(side: int, start: float, end: float, count: int) -> NDArray[np.float64]:
    """The share of each of `count` cells between `start` and `end` that lies in 0 to `side`."""
    edges = np.clip(np.linspace(start, end, count + 1), 0, side)
    return np.diff(edges) * count / (end - start)


def tinted(
    pixels: NDArray[np.uint8], evidence: NDArray[np.floating], side: int
) -> NDArray[np.uint8]:
    """The overlay (side, side, 3) as `overlay` describes it."""
    smooth = Image.Resampling.NEAREST if len(pixels) <= TINY else Image.Resampling.BICUBIC
    picture = Image.fromarray(pixels).convert("L")
    if side != len(pixels):
        picture = picture.resize((side, side), smooth)
    grey = np.asarray(picture, dtype=np.float32)
    low, high = _GREYS
    scaled = np.clip(evidence / strongest(evidence), -1, 1).astype(np.float32)
    if any(side % count for count in scaled.shape):
        nearest = Image.fromarray(scaled).resize((side, side), Image.Resampling.NEAREST)
        strength: NDArray[np.floating] = np.asarray(nearest)
    else:
        rows, cols = scaled.shape
        strength = scaled.repeat(side // rows, 0).repeat(side // cols, 1)
    return _tint(low + grey * ((high - low) / 255), strength)


def colour_scale(steps: int = 255) -> NDArray[np.uint8]:
    """The overlay's colours (steps, 3) from the strongest evidence against to the strongest for,
    over white.
    """
    return _tint(np.full(steps, 255.0), np.linspace(-1, 1, steps))


def _tint(grey: NDArray[np.floating], strength: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Greys (...,) in [0, 255] as RGB (..., 3), tinted by strengths (...,) in [−1, 1]."""
    opacity = _STRONGEST_TINT * np.abs(strength)[..., None]
    colours = np.asarray((AGAINST, FOR), dtype=np.float32)[(strength > 0).astype(np.intp)]
    colours -= grey[..., None]
    colours *= opacity
    colours += grey[..., None]
    return colours.round().astype(np.uint8)
