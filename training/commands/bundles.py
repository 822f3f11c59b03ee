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
    from interpret.bundle.bundle import Bundle
    from training.commands import evaluation
    from training.evaluate.labelled import DataSource, load_labelled

    if out is not None:
        evaluation.check_figure(out)
    loaded = Bundle.load(bundle)
    labelled = load_labelled(loaded, DataSource(data, seed, data_root, download))
    chosen = labelled.chosen(split)
    if explanations:
        evaluation.explanations(loaded, labelled, chosen, pictures, out, as_json=json)
    elif ood:
        evaluation.ood(loaded, labelled, chosen, ood, as_json=json)
    else:
        evaluation.accuracy(loaded, labelled, chosen, as_json=json)


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
    from training.evaluate.labelled import DataSource
    from training.export.int8 import export_int8

    export_int8(
        bundle,
        DataSource(data, None, data_root, download),
        out,
        max_accuracy_drop=max_accuracy_drop,
        min_agreement=min_agreement,
        max_distance_error=max_distance_error,
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
    from training.commands.printed_tables import print_calibrated
    from training.evaluate.labelled import DataSource
    from training.export.calibrate import calibrate_bundle

    source = DataSource(data, seed, data_root, download)
    print_calibrated(
        calibrate_bundle(bundle, source, out, split=split, coverage=coverage, ood=ood or [])
    )


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
    from interpret.bundle.atomic_files import write_atomically
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.errors import DpnpError
    from interpret.report import audit_page
    from interpret.report.html_page import check_suffix, write_page
    from training.commands.printed_tables import print_audit
    from training.evaluate.audited import audit_data, findings_csv
    from training.evaluate.labelled import DataSource, load_labelled

    if out is not None:
        check_suffix(out)
    if csv is not None and csv.suffix.lower() != ".csv":
        raise DpnpError(f"{csv}: a table is written as .csv")
    loaded = Bundle.load(bundle)
    labelled = load_labelled(loaded, DataSource(data, seed, data_root, download))
    whole, found, picture = audit_data(loaded, labelled)
    if csv is not None:
        write_atomically(csv, findings_csv(whole, found).encode())
    if out is not None:
        title = f"{labelled.name} seen by {loaded.manifest.name}"
        write_page(out, audit_page.page(whole, found, title, picture))
    print_audit(whole, found, f"{labelled.name}: {len(whole.labels):,} pictures")


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
    from interpret.bundle.bundle import Bundle
    from interpret.commands.bundles import said
    from interpret.edit import editing
    from training.evaluate.added_class import cost_of_class
    from training.evaluate.labelled import DataSource, load_labelled

    before = Bundle.load(bundle)
    labelled = None
    if data is not None:  # before the bundle is written: a bad --data leaves none behind
        labelled = load_labelled(before, DataSource(data, seed, data_root, download))
    after = editing.add_class(before, label, folder, out, on_sphere=on_sphere)
    said(after)
    if labelled is not None:
        cost = cost_of_class(before, after, labelled)
        typer.echo(
            f"accuracy on {cost.examples:,} pictures of the old classes: "
            f"{cost.before:.2%} before, {cost.after:.2%} with {label!r}"
        )
