"""Everything that the weights of a training run depend on, in one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from interpret.bundle.manifest import Fit
from training.config.checked import checked
from training.config.method_names import MethodName
from training.config.option import Configuration, option

# Old values of an option with their names of today. Records of old runs hold them.
RENAMED_VALUES = {("prototype_init", "arranged"): "similarity"}


class TrainConfig(Configuration):
    """What changes the weights. The same configuration and seed give the same weights on a CPU.

    λ, α, η and η_c are the paper's symbols. The defaults are for short runs: the λ of its reduced
    network on CIFAR-10, a packed start, and prototypes slow enough to stay packed. A method takes
    what it has a use for: `lambda_pos` is the pull weight in all but CE, the negative terms are
    DPNP's, `gamma` is CPN's.
    """

    data: str = option(
        ...,
        "digits, cifar10, cifar100, flowers102, folder:PATH, webdataset:PATH or parquet:PATH",
        panel="Options",
    )
    backbone: str = option(
        "resnet18",
        "the network: resnet18, resnet18-reduced, fast, fast-half, fast-wide, small, tiny, "
        "timm:NAME or torchvision:NAME; NAME+NAME puts networks side by side",
        panel="Options",
    )
    weights: str | None = option(
        None,
        "start from these weights: pretrained (the backbone's published ones), or a file; "
        "FILE,FILE for NAME+NAME",
        panel="Options",
    )
    embedding_dim: int | None = option(
        None, "size d of the embedding; default: the backbone's own", panel="Options", ge=1
    )
    image_size: int | None = option(
        None,
        "pixels a side that the network sees; default: the data's own",
        panel="Options",
        ge=8,
        le=1024,
    )
    epochs: int = option(
        15,
        "passes over the training pictures; 0 is for --head-start features alone",
        panel="Options",
        ge=0,
    )
    batch_size: int = option(
        64,
        "pictures per optimizer step, over all processes and micro-batches",
        panel="Options",
        ge=1,
    )
    lr: float = option(
        0.1,
        "η, the learning rate; with --optimizer muon, of all but the convolutions",
        panel="Options",
        gt=0,
        allow_inf_nan=False,
    )

    valid_share: float = option(
        0.0,
        "share of the training pictures to hold out where the data has no valid split",
        panel="Pictures",
        ge=0,
        lt=1,
    )
    fit: Fit = option(
        "crop",
        "how a picture that is not square fills the input: crop takes its centre, letterbox adds "
        "a border, squash changes its shape",
        panel="Pictures",
    )
    augment: Literal["crop", "cutout", "strong"] = option(
        "crop",
        "crop moves and mirrors the pictures; cutout also cuts a hole; strong also changes scale "
        "and colours",
        panel="Pictures",
    )
    cutmix: float = option(
        0.0,
        "CutMix: share of the steps that mix pictures in pairs",
        panel="Pictures",
        ge=0,
        le=1,
    )

    changes: float = option(
        0.0,
        "share of the training pictures that are seen under a benign change, each always the same: "
        "JPEG, WebP, another size or light, a small shift, a mild blur",
        panel="Pictures",
        ge=0,
        le=1,
    )
    decisions: str | None = option(
        None,
        "obey the decisions of this file, which the page of dpnp audit wrote: .csv or .json",
        panel="Pictures",
    )

    method: MethodName = option("dpnp", "the loss, named as in its paper", panel="Method and loss")
    prototype_init: Literal["packed", "similarity", "random"] = option(
        "packed",
        "where prototypes start: packed far apart; packed, with look-alike classes as neighbours "
        "(similarity); or random",
        panel="Method and loss",
    )
    radius: float = option(
        40.0,
        "α, the norm of every prototype",
        panel="Method and loss",
        gt=0,
        allow_inf_nan=False,
    )
    lambda_pos: float = option(
        0.01,
        "λ_pos, the pull weight: how strongly embeddings are drawn to their own class's prototype",
        panel="Method and loss",
        ge=0,
        allow_inf_nan=False,
    )
    lambda_pos_start: float | None = option(
        None,
        "the pull weight at the first step; it rises to --lambda-pos. Default: constant",
        panel="Method and loss",
        gt=0,
        allow_inf_nan=False,
    )
    lambda_neg_sample: float = option(
        0.01,
        "weight of the term that pushes embeddings away from rival prototypes",
        panel="Method and loss",
        ge=0,
        allow_inf_nan=False,
    )
    lambda_neg_class: float = option(
        0.02,
        "weight of the term that pushes prototypes away from each other",
        panel="Method and loss",
        ge=0,
        allow_inf_nan=False,
    )
    gamma: float | None = option(
        None,
        "γ, sharpness of CPN's softmax; default: 1 / (2 --radius)",
        panel="Method and loss",
        gt=0,
        allow_inf_nan=False,
    )
    auxiliary: float = option(
        0.0,
        "weight of a softmax on the backbone's features, dropped at export; 1 speeds up short "
        "runs with a narrow embedding",
        panel="Method and loss",
        ge=0,
        allow_inf_nan=False,
    )
    teacher: tuple[str, ...] = option(
        (),
        "distillation: a finished run, as runs/NAME, whose probabilities are the soft targets; "
        "those of several runs are averaged",
        panel="Method and loss",
    )

    optimizer: Literal["sgd", "muon", "adamw"] = option(
        "sgd",
        "sgd for all parameters, muon for the convolutions, or adamw for pretrained networks: "
        "layers without weights of their own learn 5 times as fast",
        panel="Optimisation",
    )
    head_start: Literal["random", "features"] = option(
        "random",
        "where the layer before the prototypes starts: random, or fitted to the features of the "
        "backbone as it is, so that training starts from a model that is of use",
        panel="Method and loss",
    )
    norms: Literal["train", "frozen"] = option(
        "train",
        "batch normalisation: train, or frozen at the statistics that came with --weights",
        panel="Optimisation",
    )
    balance: Literal["none", "logits"] = option(
        "none",
        "classes of unequal size: logits adds the logarithm of each class's share to its logit "
        "while training, so that rare classes are answered as often as they should be",
        panel="Method and loss",
    )
    label_smoothing: float = option(
        0.0,
        "share of a label's probability that is spread over all classes",
        panel="Method and loss",
        ge=0,
        lt=1,
    )
    schedule: Literal["onecycle", "step", "late-step"] = option(
        "onecycle",
        "how the learning rate changes: onecycle, or the paper's step or late-step",
        panel="Optimisation",
    )
    warmup_epochs: int = option(
        0,
        "epochs before --epochs in which layers filled by --weights stand still",
        panel="Optimisation",
        ge=0,
    )
    wide_epochs: int = option(
        0,
        "epochs before --epochs in one dimension less than there are classes; an embedding of 3 or "
        "10 dimensions starts from that network",
        panel="Optimisation",
        ge=0,
    )
    prototype_lr: float | None = option(
        None,
        "η_c, the prototypes' learning rate; default: --lr / 20, 0.5 for CL's centres",
        panel="Optimisation",
        ge=0,
        allow_inf_nan=False,
    )
    muon_lr: float = option(
        0.1,
        "learning rate of Muon's convolutions, as a share of their norm",
        panel="Optimisation",
        gt=0,
        allow_inf_nan=False,
    )
    momentum: float = option(0.9, "momentum of SGD", panel="Optimisation", ge=0, lt=1)
    weight_decay: float = option(
        5e-4,
        "weight decay; prototypes have none, as their norm is fixed",
        panel="Optimisation",
        ge=0,
        allow_inf_nan=False,
    )
    accumulate: int = option(
        1, "micro-batches that one optimizer step is cut into", panel="Optimisation", ge=1
    )

    precision: Literal["auto", "fp32", "bf16"] = option(
        "auto",
        "number format of the network's products; auto takes bf16 where it is faster",
        panel="Run",
    )
    seed: int = option(
        0,
        "seed of the first weights, the splits, the order and the augmentation",
        panel="Run",
        ge=0,
    )

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if self.epochs == 0 and self.head_start != "features":
            raise ValueError("--epochs 0 leaves nothing to learn without --head-start features")
        return self

    @field_validator("prototype_init", mode="before")
    @classmethod
    def _today(cls, value: object) -> object:
        return RENAMED_VALUES.get(("prototype_init", str(value)), value)

    @classmethod
    def of(cls, **values: object) -> TrainConfig:
        """Build and check a configuration; raises ConfigError that names the option."""
        return checked(cls, values)

    @classmethod
    def recorded(cls, record: Mapping[str, Any]) -> TrainConfig:
        """The configuration in the flat record of a run, as manifests and checkpoints hold it.

        A record of before an option was added gets the option's default; what a record says
        beside it, of export and provenance, is left out.
        """
        return cls.of(**{name: record[name] for name in cls.model_fields if name in record})
