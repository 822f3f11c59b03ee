"""Explain what a DPNP bundle decides: distances to prototypes, training images, evidence maps.

The public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interpret.bundle.bundle import Bundle
    from interpret.explain.explainer import Explainer
    from interpret.model.images import open_image
    from interpret.model.predictor import Predictor

__version__ = "0.1.0"  # of the whole package: pyproject.toml reads it here
__all__ = ["Bundle", "Explainer", "Predictor", "open_image"]

_HOMES = {
    "Bundle": "interpret.bundle.bundle",
    "Explainer": "interpret.explain.explainer",
    "Predictor": "interpret.model.predictor",
    "open_image": "interpret.model.images",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
