"""Distillation on real digits: the teachers' soft targets, and that a network learns them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import quick_config
from training.config.errors import CheckpointError, ConfigError
from training.data.splits import DataSet
from training.run.accelerator import accelerator_for
from training.run.distillation import distilled_terms, load_network, load_teachers
from training.run.loop import train
from training.run.preparation import assign_prototypes, prepare
from training.run.step import NetworkAndLoss, Targets

CPU = torch.device("cpu")


def pixels_of(digits: DataSet, count: int) -> torch.Tensor:
    some = digits.splits["valid"].subset(np.arange(count))
    return torch.from_numpy(some.pixels(16, "reading")).permute(0, 3, 1, 2)


def test_soft_targets_are_the_mean_of_the_teachers_probabilities(uninterrupted, digits: DataSet):
    folder = uninterrupted[1]  # the network itself may have been exported, and so scaled
    network, pixels = load_network(folder, 10, 16).eval(), pixels_of(digits, 20)
    teachers = load_teachers((str(folder), str(folder)), 10, 16, CPU)
    with torch.no_grad():
        own = network.head.logits(network(pixels).embedding).softmax(1)
    torch.testing.assert_close(teachers.soft_targets(pixels), own)
    assert load_teachers((), 10, 16, CPU) is None


def test_features_of_several_teachers_stand_side_by_side(uninterrupted, digits: DataSet):
    network, folder = uninterrupted
    pixels = pixels_of(digits, 20)
    teachers = load_teachers((str(folder), str(folder)), 10, 16, CPU)
    with torch.no_grad():
        pooled = network(pixels).pooled
    torch.testing.assert_close(teachers.features(pixels), torch.cat([pooled, pooled], 1))


def test_distilled_terms_by_hand():
    """10 − 2 + 3 + ½ (1 − 4): the cross-entropies of labels go, those of soft targets come."""
    terms = {"loss": 10.0, "cross_entropy": 2.0, "positive": 6.0, "auxiliary": 4.0}
    terms = {name: torch.tensor(value) for name, value in terms.items()}
    soft = {"cross_entropy": torch.tensor(3.0), "auxiliary": torch.tensor(1.0)}
    distilled = {name: term.item() for name, term in distilled_terms(terms, soft, 0.5).items()}
    assert distilled == {"loss": 9.5, "cross_entropy": 3.0, "positive": 6.0, "auxiliary": 1.0}
    without = {"cross_entropy": torch.tensor(3.0)}
    assert distilled_terms(terms, without, 0.5)["loss"].item() == 11.0


def test_soft_targets_take_the_place_of_labels_in_every_cross_entropy(
    uninterrupted, digits: DataSet
):
    """The loss does not depend on the labels but in the prototypes' terms."""
    pixels, labels = pixels_of(digits, 20), torch.arange(10).repeat(2)
    teachers = load_teachers((str(uninterrupted[1]),), 10, 16, CPU)
    soft = teachers.soft_targets(pixels)
    network_and_loss = NetworkAndLoss(uninterrupted[0], 0.0).eval()
    terms, others = (
        network_and_loss(pixels, Targets(y, soft=soft), 0.01)[0] for y in (labels, labels.roll(1))
    )
    assert terms["cross_entropy"] == others["cross_entropy"]
    assert terms["loss"] != others["loss"]
    # Its own pupil: the cross-entropy is the entropy of its probabilities, the least it can be.
    entropy = -(soft * soft.clamp(min=1e-30).log()).sum(1).mean()
    torch.testing.assert_close(terms["cross_entropy"], entropy)


def test_prototypes_are_assigned_by_what_the_teacher_sees(uninterrupted, digits: DataSet):
    folder = str(uninterrupted[1])
    teachers = load_teachers((folder,), 10, 16, CPU)

    def start(**options: object):
        config = quick_config(**options)
        return prepare(config, digits, accelerator_for(config), workers=0)

    run = start(teacher=(folder,), prototype_init="similarity")
    packed = start(prototype_init="packed").network
    by_thumbnails = start(prototype_init="similarity").network
    examples = len(digits.splits["train"])
    assign_prototypes(packed, run.train, examples, 0, teachers.features)
    assert torch.equal(run.network.head.prototypes, packed.head.prototypes)
    assert not torch.equal(run.network.head.prototypes, by_thumbnails.head.prototypes)


def test_a_pupil_learns_soft_targets_of_mixed_pictures_and_resumes(
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
