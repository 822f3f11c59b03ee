"""The paper's protocol, word for word."""

import pytest

from training.paper.protocol import configuration, setting_of
from training.recipes.named_recipes import recipe

SECTION_V_B = {
    "batch_size": 64,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "radius": 40.0,
    "prototype_init": "random",
    "prototype_lr": 0.1,
    "accumulate": 1,
}
CIFAR = {"lr": 0.1, "epochs": 200, "schedule": "step", "weights": None, "warmup_epochs": 0}
FLOWERS = {"lr": 0.01, "epochs": 160, "schedule": "late-step", "weights": "imagenet"}
STANDARD = {"backbone": "resnet18", "embedding_dim": None}
REDUCED = {"backbone": "resnet18-reduced"}


@pytest.mark.parametrize(
    ("data", "network", "expected", "lambdas"),
    [
        ("cifar10", "standard", CIFAR | STANDARD, (0.1, 0.1, 0.1)),
        ("cifar100", "standard", CIFAR | STANDARD, (0.1, 0.1, 0.1)),
        ("flowers102", "standard", FLOWERS | STANDARD | {"warmup_epochs": 0}, (0.1, 0.1, 0.1)),
        ("cifar10", "reduced", CIFAR | REDUCED | {"embedding_dim": 3}, (0.01, 0.01, 0.02)),
        ("cifar100", "reduced", CIFAR | REDUCED | {"embedding_dim": 10}, (0.1, 0.1, 0.2)),
        (
            "flowers102",
            "reduced",
            FLOWERS | REDUCED | {"embedding_dim": 10, "warmup_epochs": 10},
            (0.1, 0.1, 0.2),
        ),
    ],
)
def test_the_paper_preset_is_section_v_b(data: str, network, expected: dict, lambdas: tuple):
    config = configuration("paper", setting_of(data, network), "dpnp", 0, data, None)
    names = ("lambda_pos", "lambda_neg_sample", "lambda_neg_class")
    expected = SECTION_V_B | expected | dict(zip(names, lambdas, strict=True))
    assert {key: getattr(config, key) for key in expected} == expected


def test_rivals_keep_their_own_papers_rates():
    center = configuration("paper", setting_of("cifar10", "standard"), "cl", 0, "cifar10", None)
    assert (center.lambda_pos, center.prototype_lr) == (0.003, None)  # None: Wen's 0.5


def test_from_scratch_is_the_recipe_with_the_pull_of_each_method():
    setting = setting_of("cifar10", "reduced")
    ours, center, plain = (
        configuration("scratch", setting, method, 1, "folder:x", None)
        for method in ("dpnp", "cl", "ce")
    )
    assert {k: v for k, v in recipe("cpu-fast").items() if getattr(ours, k) != v} == {"epochs": 27}
    assert (ours.embedding_dim, ours.epochs, ours.seed) == (3, 20, 1)
    assert (center.lambda_pos_start, center.prototype_lr) == (0.01 / 20, None)  # Wen's 0.5
    assert (plain.lambda_pos, plain.lambda_pos_start) == (0.0, None)
