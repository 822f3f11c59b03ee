"""The names of classes as their folders' names give them, compared as people read them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from interpret.model.picture_files import as_text
from training.config.errors import DataError


def class_name(folder: Path) -> str:
    """The class that a folder stands for, in Unicode's composed form (NFC).

    Systems write one name in several forms: "é" is one character, or an "e" and an accent. Raises
    DataError for a name that is no UTF-8: a model's file could not hold it.
    """
    name = unicodedata.normalize("NFC", folder.name)
    if as_text(name) != name:
        raise DataError(f"{as_text(folder)}: the folder's name is no UTF-8 text: rename it")
    return name


def name_key(name: str) -> str:
    """What two spellings of one class share: they may differ in Unicode's form, case and spaces."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()
