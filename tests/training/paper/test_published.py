"""The paper's figures, from the table beside the code."""

import csv
from importlib import resources

import pytest

from interpret.geometry.packing import widest_angle
from training.config.method_names import METHOD_NAMES
from training.paper.protocol import MEASURES, TARGETS, setting_of
from training.paper.published import published


def test_published_figures():
    """Spot checks against tables I to IV, and what each column holds."""
    three = setting_of("cifar10", "reduced")
    assert published(three, "dpnp", "accuracy") == pytest.approx(0.9418)
    assert published(three, "dpnp", "min_sep_deg") == 63.71
    assert published(three, "cpn", "min_sep_deg") is None  # unreadable
    assert published(three, "cpn", "mean_sep_deg") == 57.97
    assert published(three, "dpnp", "scr") == 17.55
    wide = setting_of("cifar100", "standard")
    assert published(wide, "sccl", "std_deg") == 2.70
    assert published(wide, "ce", "scr") == 1.12
    assert published(setting_of("flowers102", "reduced"), "dpp", "accuracy") == pytest.approx(
        0.9151
    )
    assert published(setting_of("flowers102", "reduced"), "dpp", "scr") is None
    assert published(setting_of("digits", "reduced"), "dpp", "accuracy") is None
    for where in (three, wide):  # what is printed cannot be more than what is possible
        limit = widest_angle(10 if where is three else 100, 3 if where is three else 512)
        assert all((published(where, m, "min_sep_deg") or 0) < limit.degrees for m in METHOD_NAMES)


def test_the_table_has_every_cell_of_tables_1_to_4_once():
    file = resources.files("training.paper") / "published.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = [line for line in lines if line.startswith("#")]
    assert "Deep Positive-Negative Prototype Approach" in comment[0]
    cells = [
        (row["table"], row["setting"], row["method"], row["measure"])
        for row in csv.DictReader(lines[len(comment) :])
    ]
    expected = {
        (number, setting_of(data, network).key, method, measure)
        for number, name in zip(("I", "II", "III", "IV"), TARGETS, strict=False)
        for network in TARGETS[name].networks
        for data in TARGETS[name].data
        for method in METHOD_NAMES
        for measure in TARGETS[name].measures
    }
    assert len(cells) == len(expected) == 6 * 7 + 4 * 7 * 3 + 4 * 7
    assert set(cells) == expected
    assert {cell[3] for cell in cells} == set(MEASURES)
