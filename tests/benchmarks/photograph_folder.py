"""A folder of as many photographs as wanted, from fewer: what throughput is measured on.

    python -m tests.benchmarks.photograph_folder PHOTOS OUT [--count 10000]

OUT/CLASS/NUMBER.jpg, a class for each folder's name. Each photograph is taken once as it is, and
again, encoded anew, until there are enough: a copy has another content. Pictures of other formats
are encoded as JPEG, too. Pictures in folders of fewer than 20 are left out.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from interpret.bundle.errors import ImageError
from interpret.model.images import checked_size, open_image, read_picture
from interpret.model.picture_files import pictures_in
from interpret.model.progress import parallel_map

_LEAST_CLASS = 20  # photographs


def main(
    photos: Annotated[Path, typer.Argument(help="folder with photographs in folders")],
    out: Path,
    count: int = 10_000,
) -> None:
    made = photographs(photos, out, count)
    size = sum(file.stat().st_size for file in made)
    print(f"{out}: {len(made):,} photographs, {size / 1e6:,.0f} MB")


def photographs(photos: Path, out: Path, count: int) -> list[Path]:
    """Makes `count` photographs below `out`, which must not be there."""
    if out.exists():
        raise SystemExit(f"{out}: is there already; remove it, or name another folder")
    classes: dict[str, list[Path]] = {}
    for file in pictures_in(photos):
        classes.setdefault(file.parent.name, []).append(file)
    files = sorted(f for own in classes.values() if len(own) >= _LEAST_CLASS for f in own)
    good = [
        file
        for file, fine in zip(files, parallel_map(_fine, files, "checking"), strict=True)
        if fine
    ]
    if not good:
        raise SystemExit(f"{photos}: no photographs in folders of {_LEAST_CLASS} or more")

    def make(number: int) -> Path:
        source = good[number % len(good)]
        place = out / source.parent.name / f"{number:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        again = number // len(good)
        if not again and source.suffix.lower() in (".jpg", ".jpeg"):
            _linked(source, place)
        else:
            open_image(source).save(place, quality=91 - again)
        return place

    return list(parallel_map(make, range(count), "writing"))


def _fine(file: Path) -> bool:
    try:
        checked_size(read_picture(file))
    except ImageError:
        return False
    return True


def _linked(source: Path, place: Path) -> None:
    try:
        os.link(source.resolve(), place)
    except OSError:  # on another disk
        shutil.copyfile(source, place)


if __name__ == "__main__":
    typer.run(main)
