"""Everything a training run depends on, in one frozen object that travels with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.config.errors import ConfigError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class TrainConfig(BaseModel):
    """A training run. The same configuration and seed give the same weights on a CPU.

    λ, α, η and η_c are the paper's symbols. The defaults are for short runs: the λ of its reduced
    network on CIFAR-10, a packed start, and prototypes slow enough to stay packed. A method takes
    what it has a use for: `lambda_pos` is the pull to the own centre in all but CE, the negative
    terms are DPNP's, `gamma` is CPN's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    recipe: str | None = None  # where the options come from that were not given, for the record
    method: Literal["ce", "cl", "cpn", "ccl", "sccl", "dpp", "dpnp"] = "dpnp"
    backbone: str = "resnet18"
    weights: str | None = None
    embedding_dim: Count | None = None
    image_size: Annotated[int, Field(ge=8, le=1024)] | None = None  # None: the data's own
    epochs: Count = 15
    warmup_epochs: Annotated[int, Field(ge=0)] = (
        0  # before them: layers that `weights` filled stand still
    )
    batch_size: Count = 64  # pictures per optimizer step, over all processes and accumulation
    accumulate: Count = 1
    augment: Literal["crop", "strong"] = "crop"
    cutmix: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of the steps that mix pictures
    teacher: tuple[str, ...] = ()  # finished runs, whose answers take the place of the labels
    joined: tuple[str, ...] = ()  # runs that `dpnp join` put side by side, for the record
    schedule: Literal["onecycle", "step", "late-step"] = "onecycle"
    optimizer: Literal["sgd", "muon"] = "sgd"
    lr: Positive = 0.1  # η; beside Muon, of what is no convolution
    muon_lr: Positive = 0.1  # of the convolutions, as a share of their norm
    prototype_lr: NotNegative | None = None  # η_c; None: lr / 20, for CL's centres 0.5
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NotNegative = 5e-4  # not on prototypes: their norm is fixed
    lambda_pos: NotNegative = 0.01
    lambda_pos_start: Positive | None = None  # λ_pos rises from here; None: it is constant
    lambda_neg_sample: NotNegative = 0.01
    lambda_neg_class: NotNegative = 0.02
    gamma: Positive | None = None  # sharpness of CPN's softmax; None: 1 / (2 α)
    auxiliary: NotNegative = 0.0  # weight of a softmax on the wide features, for training alone
    radius: Positive = 40.0  # α
    prototype_init: Literal["packed", "arranged", "random"] = "packed"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    workers: Annotated[int, Field(ge=0)] = 2  # decoding processes, for data that streams
    gallery: Annotated[int, Field(ge=0)] | None = None  # pictures per class; None: up to 50,000
    half: bool = False  # store the bundle's filters in half precision
    strict: bool = False  # fail on a corrupt picture instead of skipping it
    # Of the training pictures, kept from training as a valid split where the data has none.
    valid_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def of(cls, **values: object) -> TrainConfig:
        """Build and check a configuration; raises ConfigError that names the option."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            option = "--" + str(problem["loc"][0]).replace("_", "-")
            given = problem["input"]
            raise ConfigError(f"{option} {given}: {problem['msg']}") from error
