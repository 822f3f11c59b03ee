"""What is chosen for which pictures, machine and time."""

from typing import Any

import numpy as np
import pytest

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.config.training_job import TrainingJob
from training.data.inspection import inspect
from training.data.splits import DataSet, Split
from training.recipes import plan
from training.recipes.plan import Plan, needs_plan, plan_for
from training.recipes.time_budget import Rates, decoding_seconds, measure_rates


def pictures(count: int, classes: int, side: int, sizes: list[int] | None = None) -> DataSet:
    """A data set of grey pictures; `sizes` are the pictures of each class."""
    sizes = sizes or [count // classes] * classes
    labels = np.repeat(np.arange(classes), sizes)
    split = Split.of_arrays(
        np.zeros((len(labels), 8, 8), np.uint8), labels, [str(i) for i in range(len(labels))]
    )
    names = [f"class {i}" for i in range(classes)]
    return DataSet("toy", names, {"train": split, "valid": split, "test": split}, side)


def planned(data: DataSet, given: dict[str, Any], spent: float = 0.0) -> Plan:
    return plan_for(data, given, inspect(data), spent)


@pytest.fixture(autouse=True)
def known_machine(monkeypatch: pytest.MonkeyPatch):
    """A machine on which a training picture of 160 pixels takes 40 ms, a glance 10 ms; twice that
    with the larger network.
    """

    def rates(config: TrainConfig, size: int) -> Rates:
        work = (size / 160) ** 2 * (2 if "lite2" in config.backbone else 1)
        return Rates(0.04 * work, 0.01 * work)

    monkeypatch.setattr(plan, "measure_rates", rates)
    monkeypatch.setattr(plan, "decoding_seconds", lambda split, size: 0.01)
    monkeypatch.setattr(plan.torch.cuda, "is_available", lambda: False)


def test_photographs_start_from_a_pretrained_network():
    found = planned(pictures(800, 4, 224), {"data": "toy"})
    assert found.options["backbone"] == "timm:tf_efficientnet_lite0"
    assert found.options["head_start"] == "features"
    assert found.options["embedding_dim"] == 3  # the simplex of four classes
    assert "pretrained timm:tf_efficientnet_lite0" in found.words
    # 224 pixels: 78.4 ms a training picture, 19.6 ms a glance; 800 pictures in each split.
    # Beside the epochs: 15 + 6·800·0.01 + 8·800·0.0196 = 188.4 s. An epoch: 800·0.098 = 78.4 s.
    # Of 570 s are left 381.6, so 4 epochs: fewer than 8. At 160: 127 s beside, 40 s an epoch: 11.
    assert found.options["image_size"] == 160
    assert found.options["epochs"] == 11
    assert found.seconds == pytest.approx(127 + 11 * 40)
    assert TrainingJob.of(**found.options).provenance.recipe == "finetune"
    late = planned(pictures(800, 4, 224), {"data": "toy"}, spent=100.0)
    assert late.options["epochs"] == 8  # 40 s each: 100 s are gone


def test_more_time_gives_larger_pictures_and_more_epochs_up_to_a_bound():
    found = planned(pictures(800, 4, 224), {"data": "toy", "minutes": 120.0})
    assert found.options["backbone"] == "timm:tf_efficientnet_lite2"
    assert found.options["image_size"] == 256
    assert found.options["epochs"] == 20
    assert found.seconds is not None
    assert found.seconds < 7200


def test_a_narrow_embedding_gets_a_wide_one_first():
    """8 s of epochs fewer: the second start looks at 800 pictures for 10 ms each."""
    data = pictures(800, 8, 224)
    found = planned(data, {"data": "toy", "embedding_dim": 3, "minutes": 10.0})
    assert (found.options["wide_epochs"], found.options["epochs"]) == (8, 2)  # of 10
    assert (found.options["lambda_pos_start"], found.options["lambda_pos"]) == (0.01, 0.5)
    assert found.seconds == pytest.approx(127 + 8 + 10 * 40)
    assert "8 epochs in 7 dimensions, then 2 in 3" in found.words
    for given in ({"embedding_dim": 7}, {"embedding_dim": 3, "epochs": 6}, {}):
        assert "wide_epochs" not in planned(data, {"data": "toy"} | given).options
    own = planned(data, {"data": "toy", "embedding_dim": 3, "lambda_pos": 0.1}).options
    assert (own["wide_epochs"], own["lambda_pos"]) == (8, 0.1)
    short = planned(data, {"data": "toy", "embedding_dim": 3, "minutes": 1.6})
    assert short.options["epochs"] == 0  # the head alone, by way of no wide one
    assert "wide_epochs" not in short.options


def test_hardly_any_time_leaves_the_head_alone_and_less_is_refused():
    data = pictures(800, 4, 224)
    found = planned(data, {"data": "toy", "minutes": 1.6})
    assert found.options["epochs"] == 0
    assert "its head alone" in found.words
    with pytest.raises(ConfigError, match=r"--minutes 0\.5: .* take about"):
        planned(data, {"data": "toy", "minutes": 0.5})
    asked_for = planned(data, {"data": "toy", "minutes": 0.5, "epochs": 1})
    assert asked_for.options["epochs"] == 1


def test_a_handful_of_pictures_gets_a_head_alone():
    """Training could make it worse, and nothing can be held out to see that."""
    few, more = (pictures(count, 4, 224) for count in (20, 40))
    for data in (few, more):
        del data.splits["valid"]
    found = planned(few, {"data": "toy"})
    assert found.options["epochs"] == 0
    assert "valid_share" not in found.options
    assert "its head alone" in found.words
    assert planned(more, {"data": "toy"}).options["epochs"] == 20


def test_what_was_given_wins():
    given = {"data": "toy", "image_size": 128, "epochs": 2, "lr": 1e-4, "embedding_dim": 2}
    found = planned(pictures(800, 4, 224), given)
    assert {name: found.options[name] for name in given} == given


def test_small_pictures_train_from_scratch_flowers_of_64_pixels_do_not():
    few = planned(pictures(800, 10, 32), {"data": "toy"})
    assert few.options["backbone"] == "small"
    assert "head_start" not in few.options
    assert planned(pictures(30_000, 10, 32), {"data": "toy"}).options["recipe"] == "cpu-fast"
    flowers = planned(pictures(800, 10, 64), {"data": "toy"})
    assert flowers.options["recipe"] == "finetune"
    assert flowers.options["backbone"] == "timm:tf_efficientnet_lite0"
    assert flowers.options["image_size"] == 96
    # 80 ms a training picture with the larger network, 20 ms a glance: 80 s an epoch.
    slowly = planned(pictures(800, 10, 64), {"data": "toy", "minutes": 60.0})
    assert slowly.options["backbone"] == "timm:tf_efficientnet_lite2"
    assert (slowly.options["image_size"], slowly.options["cutmix"]) == (160, 0.5)
    assert slowly.options["epochs"] == 26
    own = planned(pictures(800, 10, 64), {"data": "toy", "minutes": 60.0, "image_size": 96})
    assert "cutmix" not in own.options
    icons = planned(pictures(800, 10, 32), {"data": "toy", "recipe": "finetune"})
    assert icons.options["image_size"] == 96


def test_classes_of_unequal_size_are_balanced_beyond_a_ratio_of_three():
    assert "balance" not in planned(pictures(0, 2, 224, [300, 100]), {"data": "toy"}).options
    found = planned(pictures(0, 2, 224, [301, 100]), {"data": "toy"})
    assert found.options["balance"] == "logits"
    assert "unequal size" in found.words


def test_a_valid_split_is_held_out_where_there_are_enough_pictures():
    whole = pictures(800, 4, 224)
    without = DataSet("toy", whole.class_names, {"train": whole.splits["train"]}, 224)
    assert planned(without, {"data": "toy"}).options["valid_share"] == 0.1
    tiny = pictures(20, 4, 224)
    without = DataSet("toy", tiny.class_names, {"train": tiny.splits["train"]}, 224)
    assert "valid_share" not in planned(without, {"data": "toy"}).options


def test_a_network_that_was_named_needs_no_plan():
    assert needs_plan({})
    assert needs_plan({"recipe": "finetune", "backbone": "timm:resnet18"})
    assert needs_plan({"recipe": "auto"})
    assert not needs_plan({"backbone": "small"})
    assert not needs_plan({"recipe": "cpu-fast"})


def test_a_gpu_has_no_budget_unless_one_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan.torch.cuda, "is_available", lambda: True)
    found = planned(pictures(800, 4, 224), {"data": "toy"})
    assert found.seconds is None
    assert found.options["epochs"] == 20


def test_rates_are_measured():
    from training.recipes.plan import _config

    data = pictures(40, 2, 32)
    rates = measure_rates(_config({"backbone": "tiny", "batch_size": 4}, data), 32)
    assert 0 < rates.inference < rates.training < 10
    assert 0 < decoding_seconds(data.splits["train"], 32) < 10
