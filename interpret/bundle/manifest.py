"""The schema of a bundle's manifest.json: what the model is, how it was made, how good it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from interpret.bundle.calibration_record import Calibration, Groups, Strict
from interpret.bundle.search_index import SearchIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT_VERSION = 1

# How a picture of any shape fills the square input: see interpret.model.fitting.
Fit = Literal["crop", "letterbox", "squash"]

# Where the gallery's pictures are: see interpret.retrieval.gallery_access.
GalleryMode = Literal["pictures", "remote", "none"]


class FileEntry(Strict):
    """One file of the bundle."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0, description="bytes")]


class DataInfo(Strict):
    """The data set a model was trained on."""

    name: str
    splits: dict[str, int] = Field(description="number of pictures in each split")


class EvidenceGrid(Strict):
    """The locations that the evidence map splits a picture into."""

    rows: Annotated[int, Field(ge=1)]
    cols: Annotated[int, Field(ge=1)]


class Thresholds(Strict):
    """When an answer is `none_of_these` or `ambiguous`; see interpret.trust.verdict."""

    max_distance: float = Field(
        description="a nearest prototype farther than this, novelty included, is no match"
    )
    min_margin: float = Field(description="a margin below this is ambiguous")
    source: str = Field(description="how the two numbers were found, in words")


class Geometry(Strict):
    """How the prototypes and the embeddings of a split lie; eq. 11–13 of the paper."""

    min_sep_deg: float = Field(description="smallest angle between two prototypes (MinSep)")
    mean_sep_deg: float = Field(description="mean angle to the nearest prototype (MeanSep)")
    std_deg: float = Field(description="standard deviation of those angles (Std)")
    intra_class_angle_deg: float = Field(
        description="mean angle of an embedding to its own prototype (eq. 12)"
    )
    scr: float = Field(description="separation to compactness ratio (eq. 13)")
    split: str = Field("train", description="the split whose embeddings were measured")


class ClassFigures(Strict):
    """Figures of one class; null without pictures to measure one on."""

    label: str
    examples: Annotated[int, Field(ge=0, description="pictures of the class")]
    answers: Annotated[int, Field(ge=0, description="pictures that were answered with it")]
    recall: float | None = Field(description="share of its pictures that were answered with it")
    precision: float | None = Field(description="share of those answers that were right")
    f1: float | None = Field(description="harmonic mean of recall and precision")


class Metrics(Strict):
    """Figures measured on the exported model with ONNX Runtime."""

    split: str = Field(description="the split that accuracy and calibration were measured on")
    examples: int
    accuracy: float = Field(description="by inner product, as a fraction")
    accuracy_nearest_prototype: float = Field(description="by Euclidean distance, as a fraction")
    rules_disagree: int = Field(description="pictures on which the two rules differ")
    expected_calibration_error: float = Field(description="15 equal-width bins")
    geometry: Geometry
    # Bundles of earlier releases have none of these.
    balanced_accuracy: float | None = Field(None, description="mean recall of the classes")
    train_accuracy: float | None = Field(None, description="on the training pictures, whole")
    valid_accuracy: float | None = Field(None, description="on the valid split; null without one")
    per_class: list[ClassFigures] | None = Field(None, description="on `split`, in class order")


class Certificate(Strict):
    """How far ONNX Runtime stands from torch on the same pictures."""

    batch_sizes: list[int]
    max_abs_difference: dict[str, float] = Field(description="largest, for each output")
    argmax_agreement: float
    neighbour_overlap: float = Field(description="shared share of the nearest gallery neighbours")


class Quantization(Strict):
    """How an INT8 model stands against the fp32 one it was made from, on the same pictures."""

    parent: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(
        description="fingerprint of the fp32 bundle, which `certificate` is of"
    )
    calibration_pictures: int = Field(description="of the gallery")
    split: str = Field(description="the data set and split that was measured on")
    examples: int
    accuracy_difference: float = Field(description="INT8 less fp32, as a fraction")
    argmax_agreement: float = Field(description="share of the pictures with the same answer")
    distance_error: float = Field(description="mean |difference| over the mean distance")
    neighbour_overlap: float = Field(description="shared share of the nearest gallery neighbours")
    evidence_error: float = Field(description="mean of the evidence less the embedding, relative")


class TrainingCost(Strict):
    """Time and device of the training."""

    seconds: float = Field(description="of all epochs, without reading the data")
    device: str


class Change(Strict):
    """One change of a bundle without training."""

    parent: str = Field(description="fingerprint of the bundle that was changed")
    what: str


class Manifest(Strict):
    """manifest.json. `files` and `fingerprint` are filled in by `bundle.write_bundle`."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    format_version: Literal[1] = 1
    name: str
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = "0" * 64
    method: str
    backbone: str
    embedding_dim: Annotated[int, Field(ge=1)]
    radius: Annotated[float, Field(gt=0)] | None = Field(
        description="the norm of every prototype; null: they differ (CE, CL, CPN, added classes)"
    )
    class_names: Annotated[list[str], Field(min_length=2)]
    input_size: Annotated[int, Field(ge=1, description="pixels; the input is square")]
    preprocessing: str = Field(description="the way from a file to the input, in words")
    # Bundles of earlier releases do not name it.
    fit: Fit = Field("crop", description="how a picture of any shape fills the square input")
    metric: Literal["euclidean"] = Field(description="how the gallery is searched")
    evidence: EvidenceGrid | None = Field(description="null: the network does not end in pooling")
    data: DataInfo
    thresholds: Thresholds
    metrics: Metrics
    certificate: Certificate
    quantization: Quantization | None = Field(None, description="null: the model is fp32")
    calibration: Calibration | None = None
    changes: list[Change] = Field(default_factory=list, description="oldest first")
    next_gallery_id: Annotated[int, Field(ge=0)] | None = Field(
        None, description="larger than every id given so far; null: one above the largest there is"
    )
    # Bundles of earlier releases have their pictures inside.
    gallery_mode: GalleryMode = Field(
        "pictures", description="where the gallery's thumbnails are: inside, behind a URL, nowhere"
    )
    gallery_url: str | None = Field(
        None, description="of a remote gallery: the prefix of each thumbnail's URL, then ID.webp"
    )
    search: SearchIndex | None = Field(None, description="null: the gallery is searched exactly")
    training: dict[str, Any] = Field(description="the training configuration, in full")
    # The key of format version 1 stays: bundles are read and written as before.
    training_cost: TrainingCost | None = Field(
        None,
        validation_alias="effort",
        serialization_alias="effort",
        description="null: not recorded",
    )
    versions: dict[str, str]
    files: dict[str, FileEntry] = Field(default_factory=dict)

    def limits(self, distances: NDArray[np.floating]) -> Thresholds:
        """The thresholds of a picture at these distances (M,) from the prototypes: those of its
        classes where the bundle is calibrated.
        """
        if self.calibration is None:
            return self.thresholds
        return Thresholds(
            max_distance=self.calibration.max_distance[int(distances.argmin())],
            min_margin=self.calibration.margin_needed(distances),
            source="calibration",
        )

    @property
    def network_size(self) -> int:
        """Pixels of a side of what the network computes on: some enlarge their input themselves, to
        the size that they were trained at.
        """
        trained = self.training.get("image_size")
        return max(trained, self.input_size) if isinstance(trained, int) else self.input_size

    @property
    def groups(self) -> Groups | None:
        """Groups of classes for ambiguous answers."""
        return None if self.calibration is None else self.calibration.groups

    @field_validator("class_names")
    @classmethod
    def _distinct(cls, names: list[str]) -> list[str]:
        # The gallery stores labels by name: two classes of one name could not be told apart.
        if len(set(names)) < len(names):
            raise ValueError("class names are not distinct")
        return names

    @model_validator(mode="after")
    def _limits_for_every_class(self) -> Self:
        found = self.calibration
        if found is None:
            return self
        limits = (found.max_distance, found.min_margin, found.rival_margin)
        if {len(each) for each in limits if each is not None} != {len(self.class_names)}:
            raise ValueError("the calibration does not have limits for every class")
        return self
