import io

import numpy as np
import pytest
from PIL import Image

from interpret.explain.enlarged_png import enlarged_png


@pytest.mark.parametrize(
    ("rows", "cols", "factor"),
    [
        (4, 4, 56),
        (3, 5, 2),
        (1, 1, 3),
        (8, 8, 1),
        (1, 1, 224),
        (2, 2, 88),
        (32, 32, 7),
        (56, 56, 4),
    ],
)
def test_each_pixel_is_a_square_of_one_colour(rows: int, cols: int, factor: int) -> None:
    pixels = np.random.default_rng(rows).integers(0, 256, (rows, cols, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(enlarged_png(pixels, factor))) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        shown = np.asarray(picture)
    assert np.array_equal(shown, pixels.repeat(factor, 0).repeat(factor, 1))
