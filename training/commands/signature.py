"""A command's options from the fields of configurations: name, type, help, default and bounds."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo

from training.config.checked import flag
from training.config.option import FIRST_PANEL, PANELS, Configuration, panel_of

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def with_options(*parts: type[Configuration]) -> Callable[[Callable[..., None]], Any]:
    """Let a command take an option for every field of `parts` that has a panel.

    The command's own parameters stay; its `**settings` receives, by field name, the options that
    were given on the command line and no others, so that defaults have one home: the fields.
    """
    fields = {
        name: field
        for part in parts
        for name, field in part.model_fields.items()
        if panel_of(field) is not None
    }

    def decorate(command: Callable[..., None]) -> Any:
        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in inspect.signature(command).parameters.items()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        context = inspect.Parameter("context", _KEYWORD, annotation=typer.Context)
        options = [_parameter(name, field) for name, field in fields.items()]

        @wraps(command)
        def with_given(*, context: typer.Context, **values: Any) -> None:
            for name in fields:
                source = context.get_parameter_source(name)
                if source is None or source.name != "COMMANDLINE":
                    del values[name]
            command(**values)

        # The required ones first, then panel by panel, a configuration's before the command's own.
        ordered = sorted([*options, *own], key=_place)
        signature = inspect.Signature([context, *(p.replace(kind=_KEYWORD) for p in ordered)])
        with_given.__signature__ = signature  # type: ignore[attr-defined]
        with_given.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return with_given

    return decorate


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    kind, values = _typed(field.annotation)
    help_text = f"{field.description}{_bounds(field)}"
    panel = panel_of(field)
    option = typer.Option(
        flag(name),
        help=help_text,
        metavar=values,
        rich_help_panel=None if panel == FIRST_PANEL else panel,
    )
    default = inspect.Parameter.empty if field.is_required() else field.default
    if default == ():
        default = None  # no default is shown
    return inspect.Parameter(name, _KEYWORD, default=default, annotation=Annotated[kind, option])


def _typed(annotation: Any) -> tuple[Any, str | None]:
    """The type that the command line reads, and the values to choose from in words."""
    if get_origin(annotation) is UnionType:  # X | None
        (annotation,) = (kind for kind in get_args(annotation) if kind is not NoneType)
        kind, values = _typed(annotation)
        return kind | None, values
    if get_origin(annotation) is tuple:  # any number of them
        return list[get_args(annotation)[0]] | None, None  # type: ignore[misc]
    if get_origin(annotation) is Literal:  # the field checks it, with all the others' errors
        return str, "|".join(get_args(annotation))
    return annotation, None


def _bounds(field: FieldInfo) -> str:
    words = [
        f"{word} {getattr(limit, name):g}"
        for name, word in _BOUNDS.items()
        for limit in field.metadata
        if getattr(limit, name, None) is not None
    ]
    return f" ({', '.join(words)})" if words else ""


def _place(parameter: inspect.Parameter) -> tuple[bool, int]:
    """Where --help shows a parameter: its panel, and whether it must be given."""
    (_, option) = get_args(parameter.annotation)
    panel = option.rich_help_panel or FIRST_PANEL
    return parameter.default is not inspect.Parameter.empty, PANELS.index(panel)
