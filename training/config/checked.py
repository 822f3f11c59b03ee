"""Checking a configuration's values, with errors in the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from training.config.errors import ConfigError
from training.config.option import Configuration

Part = TypeVar("Part", bound=Configuration)


def checked(kind: type[Part], values: Mapping[str, object]) -> Part:
    """The configuration with these values; raises ConfigError that names the first bad option."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        if not problem["loc"]:  # of several options together: the message names them
            raise ConfigError(problem["msg"].removeprefix("Value error, ")) from error
        given = f" {problem['input']}" if problem["type"] != "missing" else ""
        raise ConfigError(f"{flag(str(problem['loc'][0]))}{given}: {problem['msg']}") from error


def flag(name: str) -> str:
    """A field's name as the command line spells it: --batch-size."""
    return "--" + name.replace("_", "-")
