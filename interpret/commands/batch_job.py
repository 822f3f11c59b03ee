"""`dpnp predict --out DIR`: the answers to millions of pictures, as Parquet shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import typer

from interpret.batch.engines import Engine, Workers
from interpret.bundle.errors import DpnpError
from interpret.bundle.missing_parts import check_parts
from interpret.commands.console import counted, printable


class BatchOptions(NamedTuple):
    """The options that belong to shards."""

    engine: Engine
    workers: int | None
    gpus_per_worker: float
    embeddings: bool
    thumbnails: bool

    def check_unused(self) -> None:
        """Raise DpnpError for an option that is given without a folder to write into."""
        given = {
            "--engine ray": self.engine == "ray",
            "--workers": self.workers is not None,
            "--gpus-per-worker": self.gpus_per_worker,
            "--embeddings": self.embeddings,
            "--thumbnails": self.thumbnails,
        }
        for option, value in given.items():
            if value:
                raise DpnpError(f"{option}: belongs to shards; give a folder, --out DIR")

    def check(self) -> None:
        """Raise DpnpError for options that do not go together, or a package that is missing."""
        if self.engine == "ray":
            check_parts("ray")
        elif self.workers is not None or self.gpus_per_worker:
            option = "--gpus-per-worker" if self.workers is None else "--workers"
            raise DpnpError(f"{option}: belongs to --engine ray, which is not given")


def is_folder(out: Path) -> bool:
    """Whether `--out` means a folder of shards, not a table: it is one, or has no suffix."""
    return out.is_dir() or not out.suffix


def predict_into_shards(
    bundle: Path, sources: Sequence[str], out: Path, options: BatchOptions
) -> None:
    """Run a batch job and say what it wrote. A picture that cannot be read is no failure."""
    options.check()
    from interpret.batch.columns import Extras
    from interpret.batch.run import run_job

    try:
        result = run_job(
            bundle,
            sources,
            out,
            Extras(options.embeddings, options.thumbnails),
            engine=options.engine,
            workers=Workers(options.workers, options.gpus_per_worker),
            tell=lambda line: typer.echo(line, err=True),
        )
    except KeyboardInterrupt:
        typer.echo(f"cut: the same command goes on, from the shards in {printable(out)}", err=True)
        raise typer.Exit(130) from None
    finished = result.finished
    kept = f", {result.kept:,} of them from before" if result.kept else ""
    typer.echo(
        f"written: {printable(out)}, {counted(finished.pictures, 'picture')} in "
        f"{counted(result.shards, 'shard')}{kept}; {finished.unreadable:,} unreadable, whose rows "
        "say why"
    )
