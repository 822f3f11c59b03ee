"""The commands that measure or change a bundle on labelled pictures: evaluate, export, calibrate,
audit, add-class.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interpret.commands.app import app
from interpret.commands.console import BundleFolder
from training.commands.options import Data, DataRoot, Download, Option, Seed, log_to_stderr

Strange = Annotated[
    list[str] | None,
    Option(metavar="folder:PATH", help="pictures of no class; repeatable. Noise is built in"),
]


@app.command()
def evaluate(
    bundle: BundleFolder,
    data: Data,
    split: Annotated[
        str | None, Option(help="train, valid or test; default: test, or valid without one")
    ] = None,
    seed: Seed = None,
    json: Annotated[bool, Option("--json", help="print JSON instead of a table")] = False,
    ood: Strange = None,
    explanations: Annotated[
        bool, Option("--explanations", help="measure how faithful every attribution method is")
    ] = False,
    pictures: Annotated[int, Option(min=1, help="of --explanations, from the split")] = 500,
    out: Annotated[
        Path | None, Option(help="draw the curves of --explanations: .png, .pdf or .svg")
    ] = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Measure a bundle on labelled pictures, with ONNX Runtime.

    Example: dpnp evaluate models/digits-dpnp --data digits

    Example: dpnp evaluate models/digits-dpnp --data digits --ood folder:pictures/flowers

    Example: dpnp evaluate models/digits-dpnp --data digits --explanations --out faithful.png
    """
    log_to_stderr()
    if ood or explanations:
        from training.commands import measure

        source = measure.Source(data, seed, data_root, download)
        if explanations:
            measure.evaluate_explanations(bundle, source, split, pictures, out, as_json=json)
        else:
            measure.evaluate_novelty(bundle, source, split, ood or [], as_json=json)
        return
    from training.commands.job import evaluate_bundle

    evaluate_bundle(
        bundle, data, split, seed=seed, as_json=json, data_root=data_root, download=download
    )


@app.command()
def export(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="models/NAME, in fp32")],
    out: Annotated[Path, Option(help="the bundle to write")],
    data: Data,
    int8: Annotated[bool, Option("--int8", help="the network in 8-bit integers")] = False,
    max_accuracy_drop: Annotated[
        float, Option(min=0, max=1, help="refuse a larger loss of accuracy")
    ] = 0.002,
    min_agreement: Annotated[
        float, Option(min=0, max=1, help="refuse fewer of the same answers")
    ] = 0.98,
    max_distance_error: Annotated[
        float, Option(min=0, help="refuse a larger mean error of the distances, relative")
    ] = 0.05,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Write a bundle in another precision, if measured on labelled pictures it is good enough.

    Example: dpnp export models/digits-dpnp --int8 --data digits --out models/digits-int8
    """
    from training.config.errors import ConfigError

    if not int8:
        raise ConfigError("say into what to export: --int8")
    log_to_stderr()
    from training.export.int8 import export_int8

    export_int8(
        bundle,
        data,
        out,
        max_accuracy_drop=max_accuracy_drop,
        min_agreement=min_agreement,
        max_distance_error=max_distance_error,
        data_root=data_root,
        download=download,
    )


@app.command()
def calibrate(
    bundle: BundleFolder,
    data: Data,
    out: Annotated[Path, Option(metavar="BUNDLE", help="the bundle to write")],
    split: Annotated[
        str | None, Option(help="held-out pictures; default: valid, or test without one")
    ] = None,
    coverage: Annotated[
        float, Option(min=0.5, max=0.999, help="share of pictures whose class is to be kept")
    ] = 0.95,
    ood: Strange = None,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Write a bundle with thresholds for each class and a temperature, from held-out pictures.

    Example: dpnp calibrate models/digits-dpnp --data digits --out models/digits-calibrated
    """
    log_to_stderr()
    from training.commands import measure

    source = measure.Source(data, seed, data_root, download)
    measure.calibrate_bundle(bundle, source, out, split=split, coverage=coverage, strange=ood or [])


@app.command()
def audit(
    bundle: BundleFolder,
    data: Data,
    out: Annotated[Path | None, Option(help="a page with the pictures: .html")] = None,
    csv: Annotated[Path | None, Option(help="every finding in a line: .csv")] = None,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Find label errors, near-duplicates, leaks between splits and outliers in a data set.

    Example: dpnp audit models/digits-dpnp --data digits --out audit.html --csv audit.csv
    """
    log_to_stderr()
    from training.commands.audit import audit_data
    from training.commands.measure import Source

    audit_data(bundle, Source(data, seed, data_root, download), out, csv)


@app.command("add-class")
def add_class(
    bundle: BundleFolder,
    label: Annotated[str, typer.Argument(help="the new class")],
    folder: Annotated[Path, typer.Argument(help="its pictures")],
    out: Annotated[Path, Option(metavar="BUNDLE", help="the bundle to write")],
    on_sphere: Annotated[
        bool, Option("--on-sphere", help="put the prototype on the sphere of the others")
    ] = False,
    data: Annotated[
        str | None, Option(help="measure the cost on the old classes with these pictures")
    ] = None,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Write a bundle with one more class, from its pictures, without training.

    The class's prototype is the mean of its pictures' embeddings.

    Example: dpnp add-class models/digits-0-to-8 9 pictures/9 --out models/digits --data digits
    """
    log_to_stderr()
    from training.commands import measure

    source = None if data is None else measure.Source(data, seed, data_root, download)
    measure.add_class(bundle, label, folder, out, source, on_sphere=on_sphere)
