"""The command `dpnp`: train and reproduce, beside the commands over bundles from `bundle_cli` and
interpret.commands.app.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interpret.commands.app import app, run
from training.commands import bundles as bundle_cli
from training.commands.options import Data, DataRoot, Download, Force, Option, log_to_stderr

if TYPE_CHECKING:
    from training.config.training_job import TrainingJob

__all__ = ["bundle_cli", "main"]  # bundle_cli is imported for its commands

Backbone = Annotated[
    str,
    Option(
        help="resnet18, resnet18-reduced, fast, fast-half, small, tiny or torchvision:NAME; "
        "NAME+NAME side by side"
    ),
]
Recipe = Annotated[
    str | None, Option(help="cpu-fast: settings for an hour of two cores; other options win")
]
Weights = Annotated[
    str | None, Option(help="imagenet, or a file, to start from; FILE,FILE for NAME+NAME")
]
EmbeddingDim = Annotated[
    int | None, Option(help="size d of the embedding; default: the backbone's own")
]
WarmUp = Annotated[
    int, Option(help="epochs before those in which layers filled by --weights stand still")
]
PrototypeLr = Annotated[
    float | None, Option(help="η_c, the prototypes' rate; default: --lr / 20, 0.5 for CL's centres")
]
PullStart = Annotated[
    float | None, Option(help="λ of that pull at the first step, from where it rises")
]
Gamma = Annotated[
    float | None, Option(help="γ, sharpness of CPN's softmax; default: 1 / (2 --radius)")
]
PrototypeInit = Annotated[
    str,
    Option(
        help="packed (far apart from the first step), similarity (and look-alikes near) or random"
    ),
]
Schedule = Annotated[str, Option(help="onecycle, or the paper's step or late-step")]
Augment = Annotated[
    str, Option(help="crop (moved and mirrored) or strong (scale, colours, a hole)")
]
Teacher = Annotated[
    list[str] | None,
    Option(help="a finished run, as runs/NAME, to learn the answers of; several are averaged"),
]
Auxiliary = Annotated[
    float,
    Option(
        help="weight of a softmax on the backbone's features, for training alone: 1 speeds up "
        "short runs with a narrow embedding"
    ),
]
Half = Annotated[bool, Option("--half", help="store filters in half precision: half the bundle")]
Gallery = Annotated[int | None, Option(help="pictures kept per class; default: all, up to 50,000")]
ValidShare = Annotated[
    float,
    Option(help="of the training pictures, held out where the data has no valid split"),
]
RunFolder = Annotated[
    Path | None, Option("--run", help="checkpoint and metrics; default: runs/NAME")
]
Resume = Annotated[bool, Option("--resume", help="go on from the checkpoint of a run that was cut")]
Tensorboard = Annotated[
    bool, Option("--tensorboard", help="log for TensorBoard into the run's folder")
]


@app.command()
def train(
    context: typer.Context,
    data: Data,
    out: Annotated[Path, Option(help="the bundle to write, models/NAME")],
    recipe: Recipe = None,
    method: Annotated[str, Option(help="ce, cl, cpn, ccl, sccl, dpp or dpnp")] = "dpnp",
    backbone: Backbone = "resnet18",
    weights: Weights = None,
    embedding_dim: EmbeddingDim = None,
    image_size: Annotated[int | None, Option(help="pixels; default: the data's")] = None,
    epochs: Annotated[int, Option(help="passes over the training pictures")] = 15,
    warmup_epochs: WarmUp = 0,
    batch_size: Annotated[int, Option(help="pictures a step, over all processes")] = 64,
    accumulate: Annotated[int, Option(help="micro-batches a step")] = 1,
    augment: Augment = "crop",
    cutmix: Annotated[float, Option(help="share of the steps that mix pictures in pairs")] = 0.0,
    teacher: Teacher = None,
    schedule: Schedule = "onecycle",
    optimizer: Annotated[str, Option(help="sgd, or muon for convolutions beside it")] = "sgd",
    lr: Annotated[float, Option(help="η, the network's rate")] = 0.1,
    muon_lr: Annotated[float, Option(help="of Muon's convolutions")] = 0.1,
    prototype_lr: PrototypeLr = None,
    momentum: Annotated[float, Option(help="of SGD")] = 0.9,
    weight_decay: Annotated[float, Option(help="not on prototypes")] = 5e-4,
    lambda_pos: Annotated[float, Option(help="λ of the pull to the own centre")] = 0.01,
    lambda_pos_start: PullStart = None,
    lambda_neg_sample: Annotated[float, Option(help="λ: samples from rivals")] = 0.01,
    lambda_neg_class: Annotated[float, Option(help="λ: prototypes from rivals")] = 0.02,
    gamma: Gamma = None,
    auxiliary: Auxiliary = 0.0,
    radius: Annotated[float, Option(help="α, the norm of every prototype")] = 40.0,
    prototype_init: PrototypeInit = "packed",
    precision: Annotated[str, Option(help="auto, fp32 or bf16")] = "auto",
    workers: Annotated[int, Option(help="decoding processes for large pictures")] = 2,
    gallery: Gallery = None,
    half: Half = False,
    strict: Annotated[bool, Option("--strict", help="fail on a corrupt picture")] = False,
    valid_share: ValidShare = 0.0,
    seed: Annotated[int, Option(help="of weights, split, order and augmentation")] = 0,
    run_folder: RunFolder = None,
    resume: Resume = False,
    force: Force = False,
    tensorboard: Tensorboard = False,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Train a model and export it to a bundle.

    Example: dpnp train --data folder:flowers --recipe cpu-fast --embedding-dim 10 --out models/mine

    On several GPUs: accelerate launch --multi_gpu --num_processes 4 -m training train …
    """
    job = _job(context, dict(locals()) | {"teacher": tuple(teacher or ())})
    log_to_stderr()
    from training.commands.printed_tables import print_bundle
    from training.recipes.train_classifier import run_job

    bundle = run_job(
        job,
        out,
        run_folder or Path("runs") / out.name,
        data_root=data_root,
        download=download,
        resume=resume,
        force=force,
        tensorboard=tensorboard,
    )
    if bundle is not None:
        print_bundle(bundle)


def _job(context: typer.Context, options: dict[str, Any]) -> TrainingJob:
    """What was asked for, over the recipe, over the defaults."""
    from training.config.training_job import PARTS, TrainingJob
    from training.recipes.named_recipes import with_recipe

    names = {name for part in PARTS for name in part.model_fields if name in options}
    return TrainingJob.of(**with_recipe({n: options[n] for n in names if _given(context, n)}))


@app.command()
def join(
    runs: Annotated[list[Path], typer.Argument(help="finished runs, as runs/NAME")],
    data: Data,
    out: Annotated[Path, Option(help="the bundle to write, models/NAME")],
    half: Half = False,
    gallery: Gallery = None,
    data_root: DataRoot = Path("data"),
) -> None:
    """Put the networks of finished runs side by side as branches of one, without training.

    Its answer is that of the mean of their softmaxes' logits (of --auxiliary 1), by the nearest
    of prototypes in as many dimensions as there are classes, less one.

    Example: dpnp join runs/one runs/two --data folder:cifar10 --out models/both
    """
    log_to_stderr()
    from training.commands.printed_tables import print_bundle
    from training.export.ensemble import join as join_runs

    print_bundle(join_runs(runs, data, out, half=half, gallery=gallery, data_root=data_root))


@app.command()
def reproduce(
    target: Annotated[str, typer.Argument(help="table1 to table4, fig3 to fig5, or all")],
    preset: Annotated[str, Option(help="paper (section V-B) or cpu (minutes a run)")] = "paper",
    methods: Annotated[str, Option(help="some of them, as in dpp,dpnp")] = "",
    networks: Annotated[str, Option(help="standard or reduced; default: the target's")] = "",
    data: Annotated[
        list[str] | None,
        Option(help="NAME, or NAME=SOURCE as in cifar10=folder:PATH; default: the target's"),
    ] = None,
    seeds: Annotated[int, Option(min=1, help="runs of each, seeded 0, 1, …")] = 1,
    first_seed: Annotated[int, Option(min=0, help="where the seeds start")] = 0,
    epochs: Annotated[int | None, Option(help="instead of the preset's")] = None,
    override: Annotated[
        list[str] | None, Option("--set", help="OPTION=VALUE of dpnp train, for every run")
    ] = None,
    holdout: Annotated[
        bool, Option("--holdout", help="measure on a tenth of the training pictures: for tuning")
    ] = False,
    out: Annotated[Path, Option(help="runs, tables and figures")] = Path("runs/reproduce"),
    dry_run: Annotated[
        bool, Option("--dry-run", help="print the configurations, run none")
    ] = False,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Run the paper's comparison, as far as it is not done, and write a table or figure of it.

    Example: dpnp reproduce table2 --preset cpu --data cifar10=folder:pictures --seeds 2
    """
    from training.paper.reproduce import plan, reproduce

    cells = plan(
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
    log_to_stderr()
    reproduce(target, cells, out, dry_run=dry_run, data_root=data_root, download=download)


def _given(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def main() -> None:
    """The console script `dpnp`."""
    run(app)


if __name__ == "__main__":
    main()
