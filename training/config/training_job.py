"""All that `dpnp train` can be told: what changes the weights, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from interpret.bundle.errors import DpnpError
from interpret.bundle.gallery_place import check_mode
from interpret.bundle.manifest import GalleryMode
from training.config.checked import checked, flag
from training.config.errors import ConfigError
from training.config.option import Configuration, option
from training.config.train_config import TrainConfig


class ExportConfig(Configuration):
    """What a bundle keeps of the trained network and of its pictures."""

    gallery: int | None = option(
        None,
        "training pictures kept per class, for retrieval; default: all, up to 50,000 in all",
        panel="Bundle",
        ge=0,
    )
    gallery_mode: GalleryMode = option(
        "pictures",
        "where the gallery's thumbnails are: in the bundle, behind --gallery-url (they are written "
        "beside the bundle, to be uploaded), or nowhere",
        panel="Bundle",
    )
    gallery_url: str | None = option(
        None, "of a remote gallery: the prefix that stands before ID.webp", panel="Bundle"
    )
    half: bool = option(
        False, "store filters in half precision: the bundle is half as large", panel="Bundle"
    )
    without_features: bool = option(
        False,
        "leave the gallery's pooled features, which `dpnp teach` refits the head on, out of the "
        "bundle",
        panel="Bundle",
    )

    @model_validator(mode="after")
    def _place_of_pictures(self) -> Self:
        try:
            check_mode(self.gallery_mode, self.gallery_url)
        except DpnpError as error:
            raise ValueError(str(error)) from error
        return self


class RunOptions(Configuration):
    """How a run is worked through. None of these changes the weights."""

    workers: int = option(
        2, "processes that decode pictures too large to be kept in memory", panel="Pictures", ge=0
    )
    cache: Path | None = option(
        None,
        "folder that keeps pictures fitted to the network's size, so that each is decoded once, "
        "for this run and later ones; default: none",
        panel="Pictures",
    )
    cache_gb: float = option(
        50.0,
        "the most that --cache may take, in gigabytes; pictures used longest ago go first",
        panel="Pictures",
        gt=0,
        allow_inf_nan=False,
    )
    minutes: float | None = option(
        None,
        "time for the whole run; size and epochs are chosen to fit. Default: 10 without a GPU",
        panel="Options",
        gt=0,
        allow_inf_nan=False,
    )
    strict: bool = option(
        False, "fail on a corrupt picture instead of skipping it", panel="Pictures"
    )


class Provenance(Configuration):
    """Where a model's configuration or weights come from, for the record."""

    recipe: str | None = option(
        None,
        "named settings: finetune starts from a pretrained network, cpu-fast suits an hour of two "
        "cores. Other options win over it. Default: chosen by the pictures, unless --backbone is "
        "given",
        panel="Options",
    )
    ensemble: tuple[str, ...] = Field((), description="runs that `dpnp join` put side by side")


PARTS: tuple[type[Configuration], ...] = (TrainConfig, ExportConfig, RunOptions, Provenance)


@dataclass(frozen=True)
class TrainingJob:
    """A training run with everything that was asked of it."""

    config: TrainConfig
    export: ExportConfig = field(default_factory=ExportConfig)
    options: RunOptions = field(default_factory=RunOptions)
    provenance: Provenance = field(default_factory=Provenance)

    @classmethod
    def of(cls, **values: object) -> TrainingJob:
        """Sort the values into their parts and check them; raises ConfigError for a bad one."""
        known = {name for part in PARTS for name in part.model_fields}
        if unknown := [name for name in values if name not in known]:
            raise ConfigError(f"{flag(unknown[0])}: no such option of dpnp train")
        return cls(
            checked(TrainConfig, _own(TrainConfig, values)),
            checked(ExportConfig, _own(ExportConfig, values)),
            checked(RunOptions, _own(RunOptions, values)),
            checked(Provenance, _own(Provenance, values)),
        )

    def record(self) -> dict[str, Any]:
        """Everything that was set, as one flat dictionary of plain values, for the manifest."""
        parts = (self.config, self.export, self.options, self.provenance)
        return {
            name: value for part in parts for name, value in part.model_dump(mode="json").items()
        }


def _own(part: type[Configuration], values: Mapping[str, object]) -> dict[str, object]:
    return {name: values[name] for name in part.model_fields if name in values}
