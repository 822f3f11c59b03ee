"""What changes the weights: checked, named in errors, and read from records of any age."""

import pytest

from training.config.errors import ConfigError
from training.config.option import panel_of
from training.config.train_config import TrainConfig
from training.config.training_job import PARTS


def test_defaults_are_the_short_run_s():
    config = TrainConfig.of(data="digits")
    assert (config.backbone, config.epochs, config.batch_size, config.lr) == (
        "resnet18",
        15,
        64,
        0.1,
    )
    assert (config.method, config.radius, config.prototype_init) == ("dpnp", 40.0, "packed")
    lambdas = (config.lambda_pos, config.lambda_neg_sample, config.lambda_neg_class)
    assert lambdas == (0.01, 0.01, 0.02)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "--data: Field required"),
        ({"data": "x", "epochs": -1}, "--epochs -1: Input should be greater than or equal to 0"),
        ({"data": "x", "epochs": 0}, "--epochs 0 leaves nothing to learn without --head-start"),
        ({"data": "x", "embedding_dim": 0}, "--embedding-dim 0: "),
        ({"data": "x", "image_size": 7}, "--image-size 7: "),
        ({"data": "x", "lr": float("nan")}, "--lr nan: "),
        ({"data": "x", "gamma": 0}, "--gamma 0: "),
        ({"data": "x", "cutmix": 1.5}, "--cutmix 1.5: "),
        ({"data": "x", "valid_share": 1}, "--valid-share 1: "),
        ({"data": "x", "prototype_init": "grouped"}, "--prototype-init grouped: "),
        ({"data": "x", "half": True}, "--half True: "),  # changes no weights
    ],
)
def test_a_bad_value_is_named(values: dict, message: str):
    with pytest.raises(ConfigError) as caught:
        TrainConfig.of(**values)
    assert str(caught.value).startswith(message)


def test_a_record_of_long_ago_is_read():
    """As old checkpoints have it: options of export beside it, an old name, one missing."""
    record = {"data": "digits", "prototype_init": "arranged", "lr": 0.2, "half": True, "joined": []}
    config = TrainConfig.recorded(record)
    assert config == TrainConfig.of(data="digits", prototype_init="similarity", lr=0.2)
    assert TrainConfig.recorded(config.model_dump(mode="json")) == config


def test_every_option_has_a_text():
    fields = {name: f for part in PARTS for name, f in part.model_fields.items()}
    assert [name for name, f in fields.items() if not f.description] == []
    assert [name for name, f in fields.items() if panel_of(f) is None] == ["ensemble"]
