"""The part of a bundle's manifest that tells of its calibration: limits, groups, novelty, and how
good they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Strict(BaseModel):
    """Unknown keys fail: a misspelt or newer field is never silently dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OutOfDistribution(Strict):
    """How well pictures of no class are told from the model's own."""

    data: str = Field(description="the pictures of no class")
    examples: int
    auroc: dict[str, float] = Field(description="by score; 1 tells them apart always, 0.5 never")
    verdicts: dict[str, float] | None = Field(None, description="the share of each verdict")
    # Bundles of earlier releases have AUROCs alone.
    average_precision: dict[str, float] | None = Field(
        None, description="by score; pictures of no class are to be found (AUPR)"
    )
    passed: dict[str, float] | None = Field(
        None, description="by score: the share that passes where 95 % of the own pictures do (FPR)"
    )


class ReliabilityBin(Strict):
    """Held-out pictures whose answers were about as probable as each other."""

    examples: int
    confidence: float = Field(description="mean probability of the answer, with the temperature")
    accuracy: float


class Confusion(Strict):
    """Held-out pictures of one class that were answered with another."""

    label: str
    answer: str
    examples: int


class NoveltyFit(Strict):
    """Numbers of pictures and maps that the output `novelty` was fitted on."""

    pictures: int = Field(description="of the training split")
    features: int = Field(description="channels of the early activation maps")
    # Bundles of earlier releases have the early maps alone.
    late_features: int = Field(0, description="numbers from the last activation maps")
    centres: int = Field(0, description="points that stand for the training pictures there")


class GroupNode(Strict):
    """A node of the tree of classes: two of them or more, and not all."""

    name: str
    members: Annotated[list[str], Field(min_length=2)]


class Groups(Strict):
    """A tree of classes for ambiguous answers; see interpret.trust.groups."""

    source: str = Field(description="where the tree comes from, in words")
    nodes: list[GroupNode] = Field(description="smaller ones first, without the root")
    min_margin: float = Field(description="of a class, to be in an ambiguous picture's set")
    examples: int = Field(description="ambiguous held-out pictures")
    measured_coverage: float | None = Field(
        description="share of groups that hold their picture's class, on halves that the margin "
        "was not found on; null: none was given"
    )
    given: float | None = Field(description="share of ambiguous pictures with a group, same halves")


class Calibration(Strict):
    """Limits of the verdicts, and a temperature, with their figures on held-out pictures."""

    split: str = Field(description="the pictures it was found on")
    examples: int
    coverage: float = Field(description="stated: the share of pictures whose class is kept")
    max_distance: list[float] = Field(
        description="for each class: farther, novelty included, is none_of_these"
    )
    min_margin: list[float] = Field(description="for each class: enough against every rival")
    # Bundles of earlier releases ask for `min_margin`, whichever rivals are near.
    rival_margin: list[float] | None = Field(
        None, description="for each class: it is no rival where it is more than this farther away"
    )
    pooled: list[str] = Field(description="classes with too few pictures for limits of their own")
    measured_coverage: float = Field(description="on halves that the limits were not found on")
    accepted: float = Field(description="share of pictures with the verdict accept, same halves")
    accuracy_of_accepted: float | None
    # Bundles of earlier releases were calibrated on pictures as they are.
    changes: int = Field(0, description="benign changes that each picture was also under")
    temperature: float = Field(description="the graph's logits are divided by it")
    expected_calibration_error: float = Field(description="with the temperature, on those pictures")
    expected_calibration_error_before: float
    reliability: list[ReliabilityBin] = Field(description="bins of equal width that are not empty")
    confusions: list[Confusion] = Field(description="the most frequent, most frequent first")
    novelty: NoveltyFit | None = Field(None, description="null: the graph has no such output")
    groups: Groups | None = Field(None, description="null: too few ambiguous pictures, or older")
    out_of_distribution: list[OutOfDistribution] = Field(default_factory=list)

    def margin_needed(self, distances: NDArray[np.floating]) -> float:
        """The margin below which an answer at these distances (M,) is ambiguous."""
        if self.rival_margin is None:
            return self.min_margin[int(distances.argmin())]
        return float(margins_needed(distances[None], self.rival_margin)[0])


def margins_needed(
    distances: NDArray[np.floating], rival_margin: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """The margins (N,) that answers at distances (N, M) need to be alone in the prediction set.

    A class is in the set unless it is more than its `rival_margin` (M,) farther than the answer.
    The margin is that of the nearest rival. Another one may ask for more, less what it is farther
    away than the nearest. The answer's own class must be in the set, too: a negative limit says
    that it must be clearly the nearest.
    """
    import numpy as np  # here: the command line knows the schema, and starts without NumPy

    limits = np.asarray(rival_margin, np.float64)
    rows, own = np.arange(len(distances)), distances.argmin(1)
    others = distances.astype(np.float64)
    answer = others[rows, own]
    others[rows, own] = np.inf
    nearest = others.min(1)
    asked: NDArray[np.float64] = np.broadcast_to(limits, others.shape).copy()
    asked[rows, own] = -np.inf
    needed = (asked - np.where(np.isinf(others), 0, others - nearest[:, None])).max(1)
    # Rounding must not decide: who is in the set is told from the distances as they are.
    crowded = (others - answer[:, None] <= asked).any(1)
    margins = nearest - answer
    needed = np.where(
        crowded, np.maximum(needed, np.nextafter(margins, np.inf)), np.minimum(needed, margins)
    )
    result: NDArray[np.float64] = np.maximum(needed, -limits[own])
    return result
