"""Three clusters of points, for audits whose faults are known."""

import numpy as np

CORNERS = np.array([[10, 0, 0], [0, 10, 0], [0, 0, 10]], np.float32)


def clusters(each: int = 40, seed: int = 0):
    """Three clusters around CORNERS with their labels, and a classifier's probabilities."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), each)
    points = (CORNERS[labels] + generator.standard_normal((3 * each, 3))).astype(np.float32)
    powers = np.exp(points @ CORNERS.T / 10)
    return points, powers / powers.sum(1, keepdims=True), labels
