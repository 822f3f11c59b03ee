"""More colours that readers tell apart, colour-blind ones too, for as long as there are any.

One after the other, each is the candidate whose nearest earlier colour is farthest: in CIELAB, for
the eye that has it worst of four, with full colour vision and with each of three deficiencies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.float64]  # (n, 3), red, green and blue in [0, 1]

# Machado, Oliveira and Fernandes 2009, at full severity; rows act on linear RGB. The first one is
# full colour vision.
_EYES = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]],
    ]
)  # fmt: skip
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])
_STEPS = 16  # of red, green and blue among the candidates
_LUMINANCE = (0.02, 0.45)  # darker is ink, paler could pass for a faded colour


def distinct_colours(first: Colours, count: int) -> Colours:
    """The colours `first` and others, `count` in all; some 2,000 at most."""
    steps = np.linspace(0, 1, _STEPS)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    luminance = _linear(grid) @ _TO_XYZ[1]
    grid = grid[(luminance >= _LUMINANCE[0]) & (luminance <= _LUMINANCE[1])]
    seen, chosen = as_seen(grid), list(first)
    away = np.full(len(grid), np.inf)
    latest = as_seen(first)
    while len(chosen) < min(count, len(grid)):
        between = np.linalg.norm(
            seen[:, :, None] - latest[:, None], axis=-1
        )  # eyes × grid × latest
        away = np.minimum(away, between.min(axis=(0, 2)))
        best = int(away.argmax())
        chosen.append(grid[best])
        latest = seen[:, best : best + 1]
    return np.array(chosen)


def as_seen(colours: Colours) -> NDArray[np.float64]:
    """CIELAB coordinates of colours for each of the eyes (4, n, 3)."""
    linear = np.clip(_linear(colours) @ _EYES.transpose(0, 2, 1), 0, 1)
    x, y, z = np.moveaxis(np.cbrt(linear @ _TO_XYZ.T / _WHITE), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _linear(colours: Colours) -> Colours:
    linear: Colours = np.where(
        colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4
    )
    return linear
