"""`dpnp reproduce`: the paper's comparison, run and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from interpret.commands.console import print_json, printable, show
from training.commands.options import DataRoot, Download, log_to_stderr


def reproduce(
    target: Annotated[str, typer.Argument(help="table1 to table4, fig3 to fig5, or all")],
    preset: Annotated[
        str,
        Option(
            help="configurations of the paper (section V-B), of cpu (minutes a run, from a "
            "pretrained network) or of scratch (some 40 minutes a run)"
        ),
    ] = "paper",
    methods: Annotated[str, Option(help="run these methods alone, as in dpp,dpnp")] = "",
    networks: Annotated[
        str, Option(help="run standard or reduced networks alone; default: the target's")
    ] = "",
    data: Annotated[
        list[str] | None,
        Option(help="NAME, or NAME=SOURCE as in cifar10=folder:PATH; default: the target's"),
    ] = None,
    seeds: Annotated[int, Option(min=1, help="runs of each configuration, seeded 0, 1, …")] = 1,
    first_seed: Annotated[int, Option(min=0, help="the first of the seeds")] = 0,
    epochs: Annotated[int | None, Option(help="epochs of a run; default: the preset's")] = None,
    override: Annotated[
        list[str] | None,
        Option(
            "--set",
            help="OPTION=VALUE of dpnp train, for every run: embedding_dim=9, or weights=none, "
            "which starts at random",
        ),
    ] = None,
    holdout: Annotated[
        bool, Option("--holdout", help="measure on a tenth of the training pictures: for tuning")
    ] = False,
    out: Annotated[Path, Option(help="folder of runs, tables and figures")] = Path(
        "runs/reproduce"
    ),
    dry_run: Annotated[
        bool, Option("--dry-run", help="print the configurations as JSON and run none")
    ] = False,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Run the paper's comparison, as far as it is not done, and write a table or figure of it.

    Example: dpnp reproduce table2 --preset cpu --data cifar10=folder:pictures --seeds 2
    """
    from training.paper import reproduce as paper

    cells = paper.plan(
        target,
        preset,
        seeds=range(first_seed, first_seed + seeds),
        methods=_list(methods),
        networks=_list(networks),
        data=data or (),
        epochs=epochs,
        overrides=override or (),
        holdout=holdout,
    )
    if dry_run:
        print_json([paper.described(cell) for cell in cells])
        return
    log_to_stderr()
    made = paper.reproduce(target, cells, out, data_root=data_root, download=download)
    for table in made.tables:
        show(table)
    for figure in made.figures:
        typer.echo(f"written: {printable(figure)}")


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
