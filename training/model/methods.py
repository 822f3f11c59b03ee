"""The seven methods: CE, CL, CPN, CCL, SCCL, DPP and DPNP, behind one small interface.

A method is the head of a network. It holds what stands as class centres, says how classes are told
apart, and how its vectors are learned: by the loss, by a rule of their own, or as class means.
Embeddings h are (N, d) float32, class vectors (M, d) float32, labels (N,) int64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.config.errors import ConfigError
from training.config.method_names import MethodName
from training.config.train_config import TrainConfig
from training.model import losses
from training.model.prototypes import initial_prototypes, normalised, renormalise_

Terms = dict[str, Tensor]  # "loss", the weighted sum, and each term of it without its weight


class Method(nn.Module, ABC):
    """Base of the methods.

    `prototypes` stand as class centres in all metrics and in the bundle. `on_sphere` says that
    they are kept at norm `radius`; `mean_every` that they are class means, taken anew after every
    so many epochs (None: they are not).
    """

    prototypes: Tensor
    log_shares: Tensor  # (M,) or 0: added to the logits while training, see adjust_for
    on_sphere: ClassVar[bool] = False
    mean_every: ClassVar[int | None] = None

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.radius = config.radius
        self.temperature = config.radius if self.on_sphere else 1.0  # α in eq. 1
        self.label_smoothing = config.label_smoothing
        # Not saved: what is served and what goes on from weights answers without it.
        self.register_buffer("log_shares", torch.zeros(()), persistent=False)

    def weights(self) -> Tensor:
        """The classifier's vectors (M, d); the prototypes themselves where there are no others."""
        return self.prototypes

    def logits(self, embedding: Tensor) -> Tensor:
        """Logits (N, M) of the softmax; the largest is the predicted class's."""
        return embedding @ self.weights().T / self.temperature

    def cross_entropy(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """Eq. 1 and 2 over the method's own logits, with the labels smoothed if that is set."""
        logits = self.logits(embedding) + self.log_shares
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def adjust_for(self, counts: Tensor) -> None:
        """Train for classes of unequal size, of which there are `counts` (M,) pictures (Menon et
        al., Long-tail learning via logit adjustment): what is learned then suits equal shares.
        """
        shares = counts.float().clamp_min(0.5) / counts.sum()
        self.log_shares = shares.log().to(self.log_shares.device)

    @abstractmethod
    def forward(self, embedding: Tensor, labels: Tensor, lambda_pos: float) -> Terms:
        """The loss of a batch. `lambda_pos` is the pull weight at this step."""

    @abstractmethod
    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """The optimizer's groups for the method's own vectors."""

    def constrain_(self) -> None:
        """Put the vectors where the method wants them: before each epoch and after the last."""

    def take_means_(self, means: Tensor) -> None:
        """Take the classes' mean embeddings (M, d); called for methods with `mean_every`."""


class CrossEntropy(Method):
    """CE: softmax over w·h. Its weights stand as class centres, as in the paper."""

    def __init__(self, classes: int, dim: int, config: TrainConfig) -> None:
        super().__init__(config)
        self.prototypes = nn.Parameter(_linear_weights(classes, dim))

    def forward(self, embedding: Tensor, labels: Tensor, lambda_pos: float) -> Terms:
        """See Method."""
        return _total((1.0, "cross_entropy", self.cross_entropy(embedding, labels)))

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """Weights like any layer's."""
        return [_as_layer(self.prototypes, config)]


class CenterLoss(Method):
    """CL: cross-entropy, and a pull to centres that follow their class at a rate of their own
    (Wen et al., A Discriminative Feature Learning Approach for Deep Face Recognition).
    """

    def __init__(self, classes: int, dim: int, config: TrainConfig) -> None:
        super().__init__(config)
        self.classifier = nn.Parameter(_linear_weights(classes, dim))
        self.prototypes = nn.Parameter(_start(classes, dim, config))

    def weights(self) -> Tensor:
        """See Method."""
        return self.classifier

    def forward(self, embedding: Tensor, labels: Tensor, lambda_pos: float) -> Terms:
        """Eq. 4, for the network. The centres follow by `centre_update`."""
        centres = self.prototypes.detach()
        return _total(
            (1.0, "cross_entropy", self.cross_entropy(embedding, labels)),
            (lambda_pos, "center", losses.positive(embedding, labels, centres)),
        )

    def centre_update(self, embedding: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        """A term of value 0 to add to the loss: its gradient for the centres is Wen's Δc, whatever
        λ is. `counts` (M,) are the pictures of each class in the whole step.
        """
        update = losses.center_update(embedding, labels, self.prototypes, counts)
        return update - update.detach()

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """Centres move by −rate · Δc: no momentum, no decay, no schedule."""
        rate = 0.5 if config.prototype_lr is None else config.prototype_lr
        own = {"initial_lr": rate, "momentum": 0.0, "weight_decay": 0.0, "scheduled": False}
        return [_as_layer(self.classifier, config), {"params": [self.prototypes], **own}]


class PrototypeDistances(Method):
    """CPN: softmax over −γ‖h − c‖², and a pull to the own prototype
    (Yang et al., Convolutional Prototype Network). One free prototype a class.
    """

    def __init__(self, classes: int, dim: int, config: TrainConfig) -> None:
        super().__init__(config)
        # By default as sharp as c·h/α: −γ‖h − c‖² holds 2γ c·h.
        self.gamma = 1 / (2 * config.radius) if config.gamma is None else config.gamma
        self.prototypes = nn.Parameter(_start(classes, dim, config))

    def logits(self, embedding: Tensor) -> Tensor:
        """See Method."""
        return losses.distance_logits(embedding, self.prototypes, self.gamma)

    def forward(self, embedding: Tensor, labels: Tensor, lambda_pos: float) -> Terms:
        """DCE + λ PL; PL is the mean of ‖h − c_y‖², without a half."""
        dce = self.cross_entropy(embedding, labels)
        prototype_loss = 2 * losses.positive(embedding, labels, self.prototypes)
        return _total((1.0, "cross_entropy", dce), (lambda_pos, "prototype", prototype_loss))

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """Prototypes have their own rate."""
        return [_as_prototypes(self.prototypes, config)]


class ClassMeans(Method):
    """CCL and SCCL: a pull to centres that are class means over the whole training split, put on
    the sphere after every other epoch (Shi et al., Constrained Center Loss).

    CCL has weights of its own, of constrained norm; SCCL classifies by the centres.
    """

    on_sphere = True
    mean_every = 2

    def __init__(self, classes: int, dim: int, config: TrainConfig) -> None:
        super().__init__(config)
        self.register_buffer("prototypes", _start(classes, dim, config))
        self.classifier: nn.Parameter | None = None
        if config.method == "ccl":
            self.classifier = nn.Parameter(_linear_weights(classes, dim))

    def weights(self) -> Tensor:
        """See Method."""
        own = self.classifier
        return self.prototypes if own is None else normalised(own, self.radius)

    def forward(self, embedding: Tensor, labels: Tensor, lambda_pos: float) -> Terms:
        """Eq. 4 with centres, and weights, on the sphere."""
        return _total(
            (1.0, "cross_entropy", self.cross_entropy(embedding, labels)),
            (lambda_pos, "center", losses.positive(embedding, labels, self.prototypes)),
        )

    @torch.no_grad()
    def take_means_(self, means: Tensor) -> None:
        """The centre that minimises Σ‖h − c‖² at ‖c‖ = α is the mean, put on the sphere. A mean of
        no direction keeps the old centre.
        """
        known = means.norm(dim=1, keepdim=True) > 1e-6 * self.radius
        self.prototypes.copy_(torch.where(known, normalised(means, self.radius), self.prototypes))

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """CCL's weights like any layer's; centres are not learned by gradient."""
        return [] if self.classifier is None else [_as_layer(self.classifier, config)]


class PositiveNegative(Method):
    """DPP and DPNP: the weights are the prototypes, on the sphere, learned by gradient."""

    on_sphere = True

    def __init__(self, classes: int, dim: int, config: TrainConfig) -> None:
        super().__init__(config)
        # DPP is DPNP without its two negative terms.
        negative = config.method == "dpnp"
        self.lambda_neg_sample = config.lambda_neg_sample if negative else 0.0
        self.lambda_neg_class = config.lambda_neg_class if negative else 0.0
        self.prototypes = nn.Parameter(_start(classes, dim, config))

    def forward(self, embedding: Tensor, labels: Tensor, lambda_pos: float) -> Terms:
        """Eq. 10; eq. 5 for DPP. Terms of weight 0 are computed too, to be logged."""
        own = self.prototypes
        sample_weight, class_weight = self.lambda_neg_sample, self.lambda_neg_class
        return _total(
            (1.0, "cross_entropy", self.cross_entropy(embedding, labels)),
            (lambda_pos, "positive", losses.positive(embedding, labels, own)),
            (sample_weight, "negative_sample", losses.negative_sample(embedding, labels, own)),
            (class_weight, "negative_class", losses.negative_class(own, labels)),
        )

    def constrain_(self) -> None:
        """‖c‖ = α."""
        renormalise_(self.prototypes, self.radius)

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        """Prototypes have their own rate, η_c."""
        return [_as_prototypes(self.prototypes, config)]


_METHODS: dict[MethodName, Callable[[int, int, TrainConfig], Method]] = {
    "ce": CrossEntropy,
    "cl": CenterLoss,
    "cpn": PrototypeDistances,
    "ccl": ClassMeans,
    "sccl": ClassMeans,
    "dpp": PositiveNegative,
    "dpnp": PositiveNegative,
}


def method_of(config: TrainConfig, classes: int, dim: int) -> Method:
    """The configured method for `classes` classes in `dim` dimensions, at its seeded start."""
    if classes < 2:
        raise ConfigError(f"a classifier needs at least 2 classes, not {classes}")
    return _METHODS[config.method](classes, dim, config)


def _start(classes: int, dim: int, config: TrainConfig) -> Tensor:
    return initial_prototypes(classes, dim, config.radius, config.prototype_init, config.seed)


def _linear_weights(classes: int, dim: int) -> Tensor:
    return nn.Linear(dim, classes, bias=False).weight.detach()


def _total(*terms: tuple[float, str, Tensor]) -> Terms:
    """The first term, whose weight is 1, plus the others at their weights."""
    (_, _, total), *others = terms
    for weight, _, term in others:
        total = total + weight * term
    return {"loss": total} | {name: term for _, name, term in terms}


def _as_layer(parameter: Tensor, config: TrainConfig) -> dict[str, Any]:
    return {
        "params": [parameter],
        "initial_lr": config.lr,
        "weight_decay": config.weight_decay,
    }


def _as_prototypes(parameter: Tensor, config: TrainConfig) -> dict[str, Any]:
    rate = config.lr / 20 if config.prototype_lr is None else config.prototype_lr
    return {"params": [parameter], "initial_lr": rate, "weight_decay": 0.0}
