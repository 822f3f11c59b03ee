"""An option of `dpnp train`: a field of a configuration that carries all that is known of it."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

# Where --help shows an option. The first panel is for those that most runs need.
Panel = Literal[
    "Options",
    "Pictures",
    "Method and loss",
    "Optimisation",
    "Bundle",
    "Run",
]
PANELS: tuple[Panel, ...] = get_args(Panel)
FIRST_PANEL = PANELS[0]
_PANEL = "panel"


class Configuration(BaseModel):
    """A part of what can be set. Unknown names fail, and nothing changes after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def option(default: Any, help: str, *, panel: Panel, **bounds: Any) -> Any:
    """A field with its default (`...`: it must be given), its help text, the panel of --help that
    shows it, and its bounds as pydantic's Field takes them.
    """
    return Field(default, description=help, json_schema_extra={_PANEL: panel}, **bounds)


def panel_of(field: FieldInfo) -> str | None:
    """The panel of --help that shows a field; None for one that no command sets."""
    extra = field.json_schema_extra
    return str(extra[_PANEL]) if isinstance(extra, dict) and _PANEL in extra else None
