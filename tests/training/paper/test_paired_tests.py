"""DPNP against its rivals, picture by picture."""

import numpy as np
import pytest
from scipy.stats import norm

from training.paper.paired_tests import paired, paired_tables
from training.paper.protocol import Setting


def answers(right: int, wrong: int) -> np.ndarray:
    return np.repeat([True, False], [right, wrong])


def test_one_seed_is_mcnemars_test():
    """40 pictures only DPNP has right, 20 only the rival: z is some 20 / √60."""
    ours = np.concatenate([answers(40, 20), np.ones(940, bool)])
    rival = np.concatenate([~answers(40, 20), np.ones(940, bool)])
    found = paired({0: ours}, {0: rival})
    assert found is not None
    assert (found.difference, found.seeds) == (pytest.approx(0.02), 1)
    assert found.p == pytest.approx(2 * norm.sf(20 / 60**0.5), rel=0.05)
    mirrored = paired({0: rival}, {0: ours})
    assert mirrored is not None
    assert (mirrored.difference, mirrored.p) == (-found.difference, found.p)


def test_the_seeds_that_both_have_count():
    ours, rival = answers(90, 10), answers(80, 20)
    found = paired({0: ours, 1: rival, 2: ours}, {1: rival, 2: rival})
    assert found is not None
    assert (found.difference, found.seeds) == (pytest.approx(0.05), 2)
    assert paired({0: ours}, {1: rival}) is None


def test_the_same_answers_are_no_difference():
    found = paired({0: answers(9, 1)}, {0: answers(9, 1)})
    assert found is not None
    assert (found.difference, found.error, found.p) == (0, 0, 1)


def test_the_tables():
    setting = Setting("cifar10", True, 3)
    both = {"dpnp": {0: answers(900, 100)}, "ce": {0: answers(800, 200)}, "cl": {}}
    text, tables = paired_tables({setting: both, Setting("x", False, None): {"ce": {}}})
    assert text.startswith("**CIFAR-10, 3-D: accuracy of DPNP less the rival's, paired**")
    assert text.splitlines()[-1] == "| CE | +10.00 | 0.95 | < 0.001 | 1 |"
    assert len(tables) == 1
