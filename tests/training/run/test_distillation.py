"""Distillation on real digits: what teachers answer, and that a network learns it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import quick_config
from training.config.errors import CheckpointError, ConfigError
from training.data.datasets import DataSet
from training.run import preparation as setup
from training.run.distillation import load_teachers
from training.run.loop import Step, train

CPU = torch.device("cpu")


def pixels_of(digits: DataSet, count: int) -> torch.Tensor:
    some = digits.splits["valid"].subset(np.arange(count))
    return torch.from_numpy(some.pixels(16, "reading")).permute(0, 3, 1, 2)


def test_teachers_answer_the_mean_of_their_probabilities(uninterrupted, digits: DataSet):
    network, folder = uninterrupted
    pixels = pixels_of(digits, 20)
    teachers = load_teachers((str(folder), str(folder)), 10, 16, CPU)
    with torch.no_grad():
        own = network.head.logits(network(pixels).embedding).softmax(1)
    torch.testing.assert_close(teachers(pixels), own)
    assert load_teachers((), 10, 16, CPU) is None


def test_answers_take_the_place_of_labels_in_every_cross_entropy(uninterrupted, digits: DataSet):
    """The loss does not depend on the labels but in the prototypes' terms."""
    folder = str(uninterrupted[1])
    pixels, counts = pixels_of(digits, 20), torch.full((10,), 2)
    labels = torch.arange(10).repeat(2)
    teachers = load_teachers((folder,), 10, 16, CPU)
    step = Step(uninterrupted[0], 0.0, teachers).eval()
    terms, others = (step(pixels, y, counts)[0] for y in (labels, labels.roll(1)))
    assert terms["cross_entropy"] == others["cross_entropy"]
    assert terms["loss"] != others["loss"]
    # Its own pupil: the cross-entropy is the entropy of its answers, the least that it can be.
    answers = teachers(pixels)
    entropy = -(answers * answers.clamp(min=1e-30).log()).sum(1).mean()
    torch.testing.assert_close(terms["cross_entropy"], entropy)


def test_prototypes_are_arranged_by_what_the_teacher_sees(
    uninterrupted, digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    network, folder = uninterrupted
    pixels, seen = pixels_of(digits, 20), []
    similarity = setup.class_similarity
    monkeypatch.setattr(setup, "class_similarity", lambda *a: seen.append(a) or similarity(*a))
    options = {"teacher": (str(folder),), "prototype_init": "similarity", "epochs": 1}
    assert train(quick_config(**options), digits, tmp_path) is not None
    ((features, labels),) = seen
    assert features.shape == (len(labels), network.width)
    teachers = load_teachers((str(folder),), 10, 16, CPU)
    with torch.no_grad():
        torch.testing.assert_close(teachers.features(pixels), network(pixels).pooled)


def test_a_pupil_learns_from_answers_to_mixed_pictures_and_resumes(
    uninterrupted, digits: DataSet, tmp_path: Path
):
    options = {"teacher": (str(uninterrupted[1]),), "cutmix": 0.5, "auxiliary": 1.0, "epochs": 2}
    pupil = train(quick_config(**options), digits, tmp_path)
    assert pupil.auxiliary is not None
    valid = digits.splits["valid"]
    with torch.no_grad():
        embedding, _, pooled = pupil(pixels_of(digits, len(valid)))
    for logits in (pupil.head.logits(embedding), pupil.auxiliary(pooled)):
        right = logits.argmax(1).eq(torch.from_numpy(valid.labels)).float().mean()
        assert right > 0.8
    assert train(quick_config(**options), digits, tmp_path, resume=True) is not None


def test_a_teacher_that_does_not_suit_is_named(uninterrupted, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"tells 10 classes apart, the data has 7"):
        load_teachers((str(uninterrupted[1]),), 7, 16, CPU)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_teachers((str(tmp_path),), 10, 16, CPU)
