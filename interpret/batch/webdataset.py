"""What a WebDataset shard says of its pictures: files of one sample share their name up to the dot,
and NAME.cls or NAME.json holds the label.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath

FIELDS = ("label", "cls", "class")  # of a .json, the first that is there
LARGEST_LABEL = 1_000_000  # bytes of a file that holds a label
_SUFFIXES = (".cls", ".json")


def sample_key(name: str) -> str:
    """What the files of a sample share of their names."""
    path = PurePosixPath(name)
    return str(path.parent / path.name.partition(".")[0])


def may_hold_label(name: str) -> bool:
    """Whether a member of a shard may hold its sample's label."""
    return name.endswith(_SUFFIXES)


def label_in(members: Iterable[tuple[str, bytes]]) -> str | None:
    """The label in members (name and content) of one sample, a .cls before a .json; None for none.

    Raises ValueError that names the member which is neither text nor JSON.
    """
    for name, content in sorted(members, key=lambda each: each[0].endswith(".json")):
        try:
            if name.endswith(".cls"):
                found: object = content.decode().strip()
            else:
                fields = json.loads(content)
                known = fields if isinstance(fields, dict) else {}
                found = next((known[field] for field in FIELDS if field in known), "")
        except ValueError as error:
            raise ValueError(f"{name}: no label in it ({error})") from error
        if isinstance(found, str | int) and not isinstance(found, bool) and str(found).strip():
            return str(found).strip()
    return None
