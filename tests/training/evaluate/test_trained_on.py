"""Pictures of the toy's gallery among others: a.png to f.png, pure colours and darker ones."""

import numpy as np

from interpret.bundle.bundle import Bundle
from training.evaluate.trained_on import trained_on


def test_it_takes_the_same_name_and_the_same_point(toy_bundle: Bundle):
    red, green = [1, 0, 0], [0, 1, 0]
    cases = [
        ("a.png", red, True),
        ("a.png", [1.0005, 0, 0], True),  # float32 in another batch
        ("a.png", [1.01, 0, 0], False),  # another picture of that name
        ("b.png", red, False),
        ("b.png", green, True),
        ("z.png", red, False),
    ]
    sources, points, expected = zip(*cases, strict=True)
    found = trained_on(toy_bundle, sources, np.array(points, np.float32))
    assert found.tolist() == list(expected)


def test_no_pictures(toy_bundle: Bundle):
    assert trained_on(toy_bundle, [], np.empty((0, 3), np.float32)).tolist() == []
