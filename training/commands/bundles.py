"""The commands that measure or change a bundle on labelled pictures: evaluate, export, calibrate,
audit, add-class.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from interpret.commands.console import AsJson, BundleFolder, Force, Out, Strict
from training.commands.options import Answers, Data, DataRoot, Download, Seed, log_to_stderr

Ood = Annotated[
    list[str] | None,
    Option(
        metavar="folder:PATH",
        help="tell these pictures, which are of no class, from the model's own; repeatable. "
        "Noise is always told",
    ),
]


def evaluate(  # its length is that of its options
    bundle: BundleFolder,
    data: Data,
    answers: Answers = None,
    split: Annotated[
        str | None,
        Option(
            help="train, valid or test; default: test, or valid without one, and all pictures of "
            "a folder without splits"
        ),
    ] = None,
    seed: Seed = None,
    as_json: AsJson = False,
    confusion: Annotated[
        Path | None, Option(help="draw the confusion matrix: .png, .pdf or .svg")
    ] = None,
    csv: Annotated[Path | None, Option(help="write the figures of each class: .csv")] = None,
    html: Annotated[
        Path | None, Option(help="write a page with the figures and the surest mistakes: .html")
    ] = None,
    verbose: Annotated[
        bool, Option("--verbose", help="print the geometry too: MinSep, SCR, angles")
    ] = False,
    ood: Ood = None,
    explanations: Annotated[
        bool,
        Option("--explanations", help="measure how faithful each attribution is instead"),
    ] = False,
    pictures: Annotated[
        int | None, Option(min=1, help="pictures that --explanations takes; default: 500")
    ] = None,
    out: Annotated[
        Path | None, Option(help="draw the curves of --explanations: .png, .pdf or .svg")
    ] = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Measure a bundle on labelled pictures, with ONNX Runtime.

    Example: dpnp evaluate models/digits-dpnp --data digits

    Example: dpnp evaluate models/digits-dpnp --data digits --confusion matrix.png --html page.html

    Example: dpnp evaluate models/digits-dpnp --data digits --ood folder:pictures/flowers

    Example: dpnp evaluate models/digits-dpnp --data digits --explanations --out faithful.png
    """
    log_to_stderr()
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.file_suffixes import check_suffix
    from training.commands import evaluation
    from training.evaluate.embedder import Embedder
    from training.evaluate.labelled import DataSource, load_to_evaluate

    outputs = evaluation.Outputs(confusion, csv, html)
    evaluation.check_choice(
        outputs,
        explanations=explanations,
        ood=bool(ood),
        pictures=pictures,
        out=out,
        answers=answers,
    )
    outputs.check()
    if out is not None:
        check_suffix(out, "figures")
    loaded = Bundle.load(bundle)
    labelled = load_to_evaluate(loaded, DataSource(data, seed, data_root, download), split)
    chosen = labelled.chosen(split)
    if explanations:
        evaluation.explanations(loaded, labelled, chosen, pictures or 500, out, as_json=as_json)
    elif ood:
        evaluation.ood(loaded, labelled, chosen, ood, as_json=as_json)
    else:
        embed = Embedder(loaded, labelled, answers)
        evaluation.accuracy(
            loaded, labelled, chosen, outputs, embed, as_json=as_json, verbose=verbose
        )


def export(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="models/NAME, in fp32")],
    out: Out,
    data: Data,
    force: Force = False,
    int8: Annotated[bool, Option("--int8", help="compute in 8-bit integers")] = False,
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
    from interpret.bundle.overwriting import check_out
    from training.config.errors import ConfigError

    if not int8:
        raise ConfigError("say into what to export: --int8")
    check_out(out, force=force)
    log_to_stderr()
    from training.commands.printed_tables import print_quantization
    from training.evaluate.labelled import DataSource
    from training.export.int8 import export_int8

    written = export_int8(
        bundle,
        DataSource(data, None, data_root, download),
        out,
        max_accuracy_drop=max_accuracy_drop,
        min_agreement=min_agreement,
        max_distance_error=max_distance_error,
    )
    print_quantization(written)


def calibrate(
    bundle: BundleFolder,
    data: Data,
    out: Out,
    force: Force = False,
    split: Annotated[
        str | None,
        Option(help="split of the held-out pictures; default: valid, or test without one"),
    ] = None,
    coverage: Annotated[
        float, Option(min=0.5, max=0.999, help="stated share of pictures whose own class is kept")
    ] = 0.95,
    ood: Ood = None,
    groups: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="groups of classes for ambiguous answers: YAML, names to lists of classes or to "
            "groups again; default: built from the distances of the prototypes",
        ),
    ] = None,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Write a bundle with thresholds for each class and a temperature, from held-out pictures.

    Example: dpnp calibrate models/digits-dpnp --data digits --out models/digits-calibrated
    """
    from interpret.bundle.overwriting import check_out

    check_out(out, force=force)
    log_to_stderr()
    from training.commands.printed_tables import print_calibrated
    from training.evaluate.labelled import DataSource
    from training.export.calibrate import calibrate_bundle

    source = DataSource(data, seed, data_root, download)
    print_calibrated(
        calibrate_bundle(
            *(bundle, source, out), split=split, coverage=coverage, ood=ood or [], tree=groups
        )
    )


def audit(
    bundle: BundleFolder,
    data: Data,
    out: Annotated[Path | None, Option(help="write a page with the pictures: .html")] = None,
    csv: Annotated[Path | None, Option(help="write every finding in a line: .csv")] = None,
    answers: Answers = None,
    decisions: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="obey the decisions that the page of an earlier audit wrote: .csv or .json",
        ),
    ] = None,
    precision: Annotated[
        float,
        Option(min=0.5, max=1, help="name suspects while so many are expected to be wrong labels"),
    ] = 0.8,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Find suspect labels, copies, leaks between splits and outliers in a data set.

    The page shows each with the evidence and takes decisions, for dpnp train --decisions FILE.

    Example: dpnp audit models/digits-dpnp --data digits --out audit.html --csv audit.csv
    """
    log_to_stderr()
    from interpret.bundle.atomic_files import write_atomically
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.file_suffixes import check_suffix
    from interpret.report import audit_page
    from interpret.report.html_page import write_page
    from training.commands.printed_tables import print_audit
    from training.data.decisions import read_decisions
    from training.evaluate.audited import audit_data, findings_csv
    from training.evaluate.embedder import Embedder
    from training.evaluate.labelled import DataSource, load_to_audit

    if out is not None:
        check_suffix(out, "pages")
    if csv is not None:
        check_suffix(csv, "plain tables")
    decided = read_decisions(decisions) if decisions else []
    loaded = Bundle.load(bundle)
    labelled = load_to_audit(loaded, DataSource(data, seed, data_root, download), decided)
    embed = Embedder(loaded, labelled, answers)
    whole, found, picture = audit_data(loaded, labelled, decided, precision=precision, embed=embed)
    if csv is not None:
        write_atomically(csv, findings_csv(whole, found).encode())
    if out is not None:
        title = f"{labelled.name} seen by {loaded.manifest.name}"
        earlier = [dataclasses.asdict(decision) for decision in decided]
        write_page(out, audit_page.page(whole, found, title, picture, earlier))
    print_audit(whole, found, f"{labelled.name}: {len(whole.labels):,} pictures")


def add_class(
    bundle: BundleFolder,
    label: Annotated[str, typer.Argument(help="the new class")],
    folder: Annotated[Path, typer.Argument(help="its pictures")],
    out: Out,
    strict: Strict = False,
    force: Force = False,
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
    from interpret.bundle.overwriting import check_out

    check_out(out, force=force)
    log_to_stderr()
    from interpret.bundle.bundle import Bundle
    from interpret.commands.bundles import print_written
    from interpret.edit import classes
    from training.evaluate.added_class import cost_of_class
    from training.evaluate.labelled import DataSource, load_labelled

    before = Bundle.load(bundle)
    labelled = None
    if data is not None:  # before the bundle is written: a bad --data leaves none behind
        labelled = load_labelled(before, DataSource(data, seed, data_root, download))
    after = classes.add_class(before, label, folder, out, on_sphere=on_sphere, strict=strict)
    print_written(after)
    if labelled is not None:
        cost = cost_of_class(before, after, labelled)
        typer.echo(
            f"accuracy on {cost.examples:,} pictures of the old classes: "
            f"{cost.before:.2%} before, {cost.after:.2%} with {label!r}"
        )
