"""The names of labels that are numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from interpret.batch.places import read_place
from interpret.bundle.errors import DpnpError

CLASSES = "classes.txt"  # beside shards: the names of number labels, a line each


def read_names(place: str) -> list[str]:
    """The names in a file like CLASSES, by their numbers. Raises DpnpError."""
    try:
        text = read_place(place).decode()
    except (OSError, ValueError) as error:
        raise DpnpError(f"{place}: cannot be read ({error})") from error
    names = [composed(name.strip()) for name in text.splitlines()]
    return [name for name in names if name]


def is_number(label: str) -> bool:
    """Whether a label is the number of a class."""
    return label.isascii() and label.isdigit()


def named(label: str | None, names: Sequence[str] | None) -> str | None:
    """The class that a label stands for: of a number the name, where `names` has one.

    Without `names` a number is the name. None for no label, or a number beyond the names.
    """
    if label is None or not is_number(label):
        return label
    number = int(label)
    if names is None:
        return str(number)
    return names[number] if number < len(names) else None


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC): systems write one name in several forms."""
    return unicodedata.normalize("NFC", name)
