"""Options that several commands share, and their log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from typer import Option

Data = Annotated[
    str,
    Option(
        help="digits, cifar10, cifar100, flowers102, folder:PATH, webdataset:PATH or parquet:PATH"
    ),
]
DataRoot = Annotated[Path, Option(help="folder of torchvision's data sets")]
Download = Annotated[bool, Option("--download", help="fetch a data set of torchvision's")]
Answers = Annotated[
    Path | None,
    Option(
        "--from",
        metavar="DIR",
        help="take the embeddings from this folder, which dpnp predict --embeddings wrote; "
        "pictures that it lacks are embedded",
    ),
]
Seed = Annotated[
    int | None, Option(help="seed of the splits; default: the one the model was trained with")
]


def log_to_stderr() -> None:
    """The packages' own log as plain lines on stderr, from the first process alone."""
    import logging

    if not is_first_process():
        return
    # With a handler of its own the root keeps what libraries tell it to itself, and adds none that
    # would print our lines a second time.
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler()
    for package in ("training", "interpret"):
        logger = logging.getLogger(package)
        logger.setLevel(logging.INFO)
        logger.handlers = [handler]


def is_first_process() -> bool:
    """Whether this is the process that speaks: of several under `accelerate launch`, the first."""
    return os.environ.get("RANK", "0") == "0"
