"""Groups of classes: the tree, the smallest node that holds the set, and its coverage."""

import numpy as np
import pytest
import yaml

from interpret.bundle.calibration_record import GroupNode, Groups
from interpret.bundle.errors import DpnpError
from interpret.model.predictor import Prediction
from interpret.trust.calibration import calibrate
from interpret.trust.groups import (
    GroupShares,
    built_nodes,
    find_groups,
    given_nodes,
    group_of,
    mistaken_for,
)
from interpret.trust.verdict import verdicts
from tests.conftest import toy_manifest

NAMES = ["cat", "dog", "car", "van"]
PETS, VEHICLES = (GroupNode(name=n, members=m) for n, m in (("pets", NAMES[:2]), ("v", NAMES[2:])))
CENTRES = np.array([[10.0, 3], [10, -3], [-10, 3], [-10, -3]])


def groups(margin: float) -> Groups:
    return Groups(
        source="given",
        nodes=[PETS, VEHICLES],
        min_margin=margin,
        examples=99,
        measured_coverage=0.95,
        given=1.0,
    )


def simulated(count: int, seed: int) -> tuple[Prediction, np.ndarray]:
    """Pictures of four classes: those of a pair are often mistaken for each other."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, count)
    points = CENTRES[labels] + generator.normal(0, 2.2, (count, 2))
    away = np.linalg.norm(points[:, None] - CENTRES, axis=2)
    shares = np.exp(-(away**2) / 2 / 2.2**2) + 1e-12
    shares /= shares.sum(1, keepdims=True)
    f32 = np.float32
    zeros = np.zeros(count, f32)
    return Prediction(points.astype(f32), away.astype(f32), shares.astype(f32), None, zeros), labels


def test_the_smallest_node_that_holds_the_set():
    away = np.array([5.0, 6, 20, 21])
    assert group_of(away, groups(-2), NAMES) == PETS
    assert group_of(away, groups(-0.5), NAMES) == PETS  # one class in the set: still its group
    assert group_of(away, groups(-15.5), NAMES) is None  # van is in the set: only the root holds it
    assert group_of(np.array([21.0, 20, 6, 5]), groups(-2), NAMES) == VEHICLES
    assert group_of(away, None, NAMES) is None


def test_a_tree_of_distances():
    spread = CENTRES * [[1, 1], [1, 0.9], [1, 1.2], [1, 1]]
    nodes, source = built_nodes(spread, np.eye(4), NAMES)
    assert [node.name for node in nodes] == ["cat, dog", "car, van"]
    assert source == "average linkage of the prototypes' distances"
    simplex, mistaken = np.eye(4), np.eye(4)
    mistaken[0, 1], mistaken[3, 2] = 0.2, 0.1
    nodes, source = built_nodes(simplex, mistaken, NAMES)  # equidistant: mistakes decide
    assert {node.name for node in nodes} == {"cat, dog", "car, van"}
    assert "probable" in source


def test_how_probable_classes_are_for_each_other_s_pictures():
    probabilities = np.array([[0.8, 0.2, 0], [0.6, 0.4, 0], [0, 0.1, 0.9]], np.float32)
    prediction = Prediction(*[probabilities] * 2, probabilities, None, np.zeros(3, np.float32))
    found = mistaken_for(prediction, np.array([0, 0, 2]))
    np.testing.assert_allclose(found, [[0.7, 0.3, 0], [0, 0, 0], [0, 0.1, 0.9]], atol=1e-6)


def test_a_tree_that_is_given():
    text = "animals: {pets: [cat, dog]}\nvehicles: [car, van]"
    assert [(n.name, n.members) for n in given_nodes(yaml.safe_load(text), NAMES)] == [
        ("pets", ["cat", "dog"]),
        ("animals", ["cat", "dog"]),
        ("vehicles", ["car", "van"]),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[cat, dog]", "not a mapping"),
        ("pets: [cat, cow]", "no class 'cow'"),
        ("pets: [cat, dog]\nothers: [dog, van]", "'dog' stands in two places"),
        ("pets: cat", "pets: neither a list of classes nor groups"),
        ("all: [cat, dog, car, van]", "none of them holds two classes"),
    ],
)
def test_a_tree_that_is_none(text: str, words: str):
    with pytest.raises(DpnpError, match=words):
        given_nodes(yaml.safe_load(text), NAMES)


def test_coverage_on_pictures_that_it_was_not_found_on():
    prediction, labels = simulated(3000, 0)
    found = calibrate(prediction, labels, NAMES, "valid")
    grouped = find_groups(prediction, labels, NAMES, found, [PETS, VEHICLES], "given")
    assert grouped is not None
    assert grouped.measured_coverage >= 0.95
    assert grouped.given > 0.9
    manifest = toy_manifest(
        class_names=NAMES, calibration=found.model_copy(update={"groups": grouped})
    )
    fresh, own = simulated(3000, 1)
    shares = GroupShares.of(fresh, own, manifest, verdicts(fresh, manifest))
    assert shares.ambiguous > 200
    assert shares.grouped > 0.9 * shares.ambiguous
    assert shares.right >= 0.95 * shares.grouped
    assert shares.not_accepted >= shares.ambiguous


def test_too_few_ambiguous_pictures_promise_nothing():
    prediction, labels = simulated(60, 2)
    found = calibrate(prediction, labels, NAMES, "valid", 0.9)
    found = found.model_copy(update={"coverage": 0.99})
    assert find_groups(prediction, labels, NAMES, found, [PETS, VEHICLES], "given") is None
