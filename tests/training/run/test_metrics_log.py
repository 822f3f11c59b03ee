from pathlib import Path

import pytest

from training.run import metrics_log

EPOCH: metrics_log.EpochMetrics = {
    "epoch": 2,
    "loss": 1.23456,
    "train_accuracy": 0.5,
    "valid_accuracy": 0.75,
    "min_sep_deg": 66.1471,
    "seconds": 1.5,
    "images_per_second": 12345.6,
}


def test_what_is_written_is_read(tmp_path: Path):
    assert metrics_log.read(tmp_path) == []
    epochs = [EPOCH | {"epoch": 1, "valid_accuracy": None, "seconds": 0.1 + 0.2}, EPOCH]
    metrics_log.write(tmp_path, epochs)
    assert metrics_log.read(tmp_path) == epochs
    assert len((tmp_path / metrics_log.FILE).read_text().splitlines()) == 2
    assert metrics_log.seconds_of(tmp_path) == 0.1 + 0.2 + 1.5
    metrics_log.write(tmp_path, epochs[:1])
    assert metrics_log.read(tmp_path) == epochs[:1]


def test_a_sentence_for_the_log():
    assert metrics_log.sentence(EPOCH, 10) == (
        "epoch 2/10: loss 1.235, accuracy 50.00% train, 75.00% valid; MinSep 66.15°; "
        "12,346 images/s"
    )
    without_valid = metrics_log.sentence(EPOCH | {"valid_accuracy": None}, 10)
    assert "accuracy 50.00% train; MinSep" in without_valid


def test_a_loss_that_falls_below_zero_is_told_in_parts():
    terms = {"loss": -9.5, "cross_entropy": 0.25, "positive": 60.0}
    pushes = {"negative_sample": -6.0, "negative_class": -6.5}
    line = metrics_log.sentence(EPOCH | terms | pushes, 10)
    assert "loss -9.500 (cross-entropy 0.250; push -12.500), accuracy" in line
    first = metrics_log.sentence(EPOCH | terms | pushes | {"epoch": 1}, 10)
    assert "push -12.500, below zero by design: it grows as classes part), accuracy" in first
    assert "loss -9.500, accuracy" in metrics_log.sentence(EPOCH | terms, 10)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45.2, "45 seconds"), (89.9, "90 seconds"), (90, "2 minutes"), (9000, "2.5 hours")],
)
def test_lengths_of_time(seconds: float, text: str):
    assert metrics_log.spoken(seconds) == text
    assert metrics_log.sentence(EPOCH, 10, seconds).endswith(f"; {text} to go")
