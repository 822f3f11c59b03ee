"""Packages that only some installations bring, and the command that brings a missing one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from interpret.bundle.errors import DpnpError

DISTRIBUTION = "dpnp-toolkit"
# By pyproject.toml's extras. What these packages import in their turn is not the user's concern.
EXTRA_OF = {
    "onnxruntime": "cpu",
    "faiss": "cpu",
    "ray": "ray",
    **dict.fromkeys(
        (
            *("accelerate", "captum", "httpx", "huggingface_hub", "onnxscript", "timm", "torch"),
            "torchvision",
        ),
        "train",
    ),
}


class MissingPartError(DpnpError, ImportError):
    """A package that this installation does not have; the message says how to get it."""

    def __init__(self, package: str) -> None:
        extra = EXTRA_OF[package]
        text = f"{package} is not installed; pip install '{DISTRIBUTION}[{extra}]' brings it"
        if extra == "cpu" and sys.platform == "linux":
            text += f", or '{DISTRIBUTION}[gpu]' for NVIDIA GPUs"
        super().__init__(text)


def missing_part(error: ModuleNotFoundError) -> MissingPartError | None:
    """The error in a user's words; None when the module is no optional part."""
    package = (error.name or "").partition(".")[0]
    return MissingPartError(package) if package in EXTRA_OF else None


@contextmanager
def named_parts() -> Iterator[None]:
    """Around imports of optional parts: a missing one becomes a MissingPartError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (part := missing_part(error)) is None:
            raise
        raise part from error


def check_parts(*packages: str) -> None:
    """Raise MissingPartError for the first of these packages, or of all that training needs, that
    is not there; imports none.
    """
    for package in packages or (name for name in EXTRA_OF if name != "ray"):
        if find_spec(package) is None:
            raise MissingPartError(package)
