"""The commands that make a model: train, join.

Their options come from the configuration's fields. Heavy imports sit inside the commands, so that
--help answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from interpret.bundle.missing_parts import check_parts
from interpret.commands.console import Force, Out
from training.commands.options import Data, DataRoot, is_first_process, log_to_stderr
from training.commands.signature import with_options
from training.config.checked import checked, flag
from training.config.train_config import RENAMED_VALUES
from training.config.training_job import PARTS, ExportConfig

_PICTURES, _RUN = "Pictures", "Run"  # panels of --help
Verbose = Annotated[
    bool,
    Option(
        "--verbose",
        help="print the geometry of the embedding too: MinSep, SCR, angles",
        rich_help_panel=_RUN,
    ),
]


@with_options(*PARTS)
def train(
    out: Out,
    resume: Annotated[
        bool, Option("--resume", help="go on from the checkpoint of a run that was cut")
    ] = False,
    force: Force = False,
    data_root: Annotated[
        Path, Option(help="folder of torchvision's data sets", rich_help_panel=_PICTURES)
    ] = Path("data"),
    download: Annotated[
        bool,
        Option("--download", help="fetch a data set of torchvision's", rich_help_panel=_PICTURES),
    ] = False,
    run_folder: Annotated[
        Path | None,
        Option(
            "--run",
            help="folder of checkpoint and metrics; default: runs/NAME",
            rich_help_panel=_RUN,
        ),
    ] = None,
    tensorboard: Annotated[
        bool,
        Option(
            "--tensorboard", help="log for TensorBoard into the run's folder", rich_help_panel=_RUN
        ),
    ] = False,
    verbose: Verbose = False,
    **settings: Any,
) -> None:
    """Train a model and export it to a bundle.

    A folder holds a folder of pictures for each class; a plan is chosen by a look at them.

    Example: dpnp train --data folder:photos --out models/mine

    Example: dpnp train --data folder:photos --minutes 60 --out models/mine

    On several GPUs: accelerate launch --multi_gpu --num_processes 4 -m training train …
    """
    check_parts()
    settings = _todays(settings)
    log_to_stderr()
    from training.commands.inspection_table import print_inspection
    from training.commands.printed_summary import print_summary
    from training.data.inspection import log_problems
    from training.recipes.train_classifier import run_job

    trained = run_job(
        settings,
        out,
        run_folder or Path("runs") / out.name,
        data_root=data_root,
        download=download,
        resume=resume,
        force=force,
        tensorboard=tensorboard,
        show=print_inspection if is_first_process() else log_problems,
    )
    if trained is not None:
        print_summary(trained.summary, trained.bundle, verbose=verbose)


@with_options(ExportConfig)
def join(
    runs: Annotated[list[Path], typer.Argument(help="finished runs, as runs/NAME")],
    data: Data,
    out: Out,
    force: Force = False,
    data_root: DataRoot = Path("data"),
    **settings: Any,
) -> None:
    """Make an ensemble of finished runs: their networks as branches of one, without training.

    Its answer is the mean of the runs' softmaxes (of --auxiliary 1), and again that of the nearest
    prototype, in as many dimensions as there are classes, less one.

    Example: dpnp join runs/one runs/two --data folder:cifar10 --out models/both
    """
    from interpret.bundle.overwriting import check_out

    check_out(out, force=force)
    kept = checked(ExportConfig, settings)
    log_to_stderr()
    from training.commands.printed_tables import print_bundle
    from training.export.ensemble import export_ensemble

    print_bundle(
        export_ensemble(runs, data, out, half=kept.half, gallery=kept.gallery, data_root=data_root)
    )


def _todays(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with old values replaced by those of today, named in a line on stderr."""
    for (name, old), new in RENAMED_VALUES.items():
        if settings.get(name) == old:
            typer.echo(f"note: {flag(name)} {old} is called {flag(name)} {new} now", err=True)
            settings = settings | {name: new}
    return settings
