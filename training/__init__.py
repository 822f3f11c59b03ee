"""Train DPNP models and export them to bundles.

    from training import train_classifier

Importing this package stays cheap: torch comes with the first use of the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.recipes.train_classifier import train_classifier

__all__ = ["train_classifier"]


def __getattr__(name: str) -> Any:
    if name != "train_classifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from interpret.bundle.missing_parts import named_parts

    with named_parts():
        from training.recipes.train_classifier import train_classifier

    return train_classifier


def __dir__() -> list[str]:
    return [*globals(), *__all__]
