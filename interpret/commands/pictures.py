"""The commands over a bundle and pictures: predict, explain, similar.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interpret.bundle.errors import DpnpError, ImageError
from interpret.bundle.file_suffixes import check_suffix
from interpret.commands.console import (
    AsJson,
    BundleFolder,
    complain,
    print_json,
    print_table,
    printable,
)
from interpret.explain.attribution_methods import AttributionMethod

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from interpret.explain.answers import Classification, Example
    from interpret.explain.explainer import Explainer

_MAX_K = 100

Count = Annotated[
    int, typer.Option("-k", min=1, max=_MAX_K, help="training images of each kind to show")
]


def predict(
    bundle: BundleFolder,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="pictures, or folders of them")
    ],
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option(help="write the answers into a table: .parquet or .csv")
    ] = None,
) -> None:
    """Classify pictures and say how near the nearest prototypes are.

    Example: dpnp predict models/digits-dpnp three.png seven.png

    A folder, into a table: dpnp predict models/digits-dpnp pictures --out predictions.parquet
    """
    from interpret.explain.prediction_table import (
        classify_files,
        find_pictures,
        write_predictions,
    )

    if out is not None:
        check_suffix(out, "tables")
    explainer, images = _load(bundle), find_pictures(images)
    if out is not None:
        bad = write_predictions(explainer, images, out)
        typer.echo(f"written: {printable(out)}, {len(images)} pictures, {bad} of them unreadable")
        raise typer.Exit(2 if bad else 0)
    answers: list[tuple[Path, Classification]] = []
    for path, answer in classify_files(explainer, images):
        if isinstance(answer, ImageError):
            complain(answer)
        else:
            answers.append((path, answer))
    if not as_json:
        _print_answers(answers)
    else:
        print_json([{"file": str(path)} | answer.model_dump() for path, answer in answers])
    if len(answers) < len(images):
        raise typer.Exit(2)


def explain(
    bundle: BundleFolder,
    image: Annotated[Path, typer.Argument(help="a picture")],
    out: Annotated[Path, typer.Option(help="the figure to write: .png, .pdf or .svg")],
    k: Count = 6,
    method: Annotated[
        AttributionMethod, typer.Option(help="how the map over the picture is computed")
    ] = "evidence",
    positive: Annotated[
        str | None, typer.Option(metavar="LABEL", help="explain this class; default: the answer")
    ] = None,
    negative: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="against this class; default: the next nearest"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw why a picture gets its label: evidence, distances and training images.

    Example: dpnp explain models/digits-dpnp three.png --out explanation.png

    Example: dpnp explain models/digits-dpnp 8.png --negative 3 --method ig --out why-not-3.png
    """
    from interpret.figures.explanation_figure import explanation_figure
    from interpret.figures.layout import save_figure
    from interpret.model.images import open_image

    check_suffix(out, "figures")
    explainer = _load(bundle)
    picture = open_image(image)
    pixels = explainer.preprocessing(picture)
    explanation = explainer.explain_pixels(pixels, k, positive=positive, negative=negative)
    attribution = None
    if method != "evidence":
        from interpret.explain.attribution import Attributor

        pair = explanation.positive.index, explanation.negative.index
        attribution = Attributor(explainer.bundle).attribute(pixels, method, *pair)
    figure = explanation_figure(explainer.bundle, pixels, explanation, attribution, picture)
    save_figure(figure, out)
    if as_json:
        print_json(explanation.model_dump())
    else:
        _print_answers([(image, explanation)])
        typer.echo(f"written: {printable(out)}")


def similar(
    bundle: BundleFolder,
    image: Annotated[Path | None, typer.Option(help="search around this picture")] = None,
    prototype: Annotated[
        str | None, typer.Option(metavar="LABEL", help="search around this class's prototype")
    ] = None,
    k: Count = 9,
    out: Annotated[
        Path | None, typer.Option(help="also draw the images found on a sheet: .png, .pdf or .svg")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the training images nearest to a picture or to a prototype.

    Example: dpnp similar models/digits-dpnp --prototype 3 -k 9 --out threes.png
    """
    if (image is None) == (prototype is None):
        given = "neither" if image is None else "both"
        raise DpnpError(f"give one of --image and --prototype, not {given}")
    if out is not None:
        check_suffix(out, "figures")
    explainer = _load(bundle)
    if prototype is not None:
        examples = explainer.similar_to_prototype(prototype, k)
        title = f"Training images nearest to the prototype of {prototype}"
    elif image is not None:
        examples = explainer.similar_to_image(_pixels(explainer, image), k)
        title = f"Training images nearest to {printable(image.name)}"
    if out is not None:
        from interpret.figures.explanation_figure import example_sheet
        from interpret.figures.layout import save_figure

        save_figure(example_sheet(explainer.bundle, examples, title), out)
    if as_json:
        kind = "image" if prototype is None else "prototype"
        query = {"kind": kind, "label": prototype, "k": k}
        print_json({"query": query, "results": [e.model_dump() for e in examples]})
    else:
        _print_examples(explainer, examples)
        if out is not None:
            typer.echo(f"written: {printable(out)}")


def _load(bundle: Path) -> Explainer:
    from interpret.explain.explainer import Explainer

    return Explainer.load(bundle)


def _pixels(explainer: Explainer, path: Path) -> NDArray[np.uint8]:
    from interpret.model.images import open_image

    return explainer.preprocessing(open_image(path))


def _print_answers(answers: Sequence[tuple[Path, Classification]]) -> None:
    if not answers:
        return
    told = any(answer.novelty for _, answer in answers)  # 0 for a model without novelty
    unknown = not all(answer.recognised for _, answer in answers)  # whose nearest class is no label
    passed = any(answer.limits.passed for _, answer in answers)
    columns = [" probability", "verdict", *["nearest"] * unknown, " distance", "negative"]
    grouped = any(answer.group for _, answer in answers)
    columns += [" distance", " margin", *[" novelty"] * told, *["limit passed"] * passed]
    columns += ["group"] * grouped
    print_table(
        ("file", "label", *columns),
        [
            (
                str(path),
                answer.headline,
                f"{answer.probability:.1%}" if answer.recognised else "",
                answer.verdict.replace("_", " "),
                *[answer.positive.label] * unknown,
                f"{answer.positive.distance:.3f}",
                answer.negative.label,
                f"{answer.negative.distance:.3f}",
                f"{answer.margin:.3f}",
                *[f"{answer.novelty:.3f}"] * told,
                *[_limit_passed(answer)] * passed,
                *["" if answer.group is None else answer.group.name] * grouped,
            )
            for path, answer in answers
        ],
    )


def _limit_passed(answer: Classification) -> str:
    """The comparison that gave the verdict; empty for an answer within its limits."""
    limits = answer.limits
    if limits.passed == "max_distance":
        score = "distance + novelty" if answer.novelty else "distance"
        return f"{score} {limits.ood_score:.3f} > {limits.max_distance:.3f}"
    if limits.passed == "min_margin":
        return f"margin {limits.margin:.3f} < {limits.min_margin:.3f}"
    return ""


def _print_examples(explainer: Explainer, examples: Sequence[Example]) -> None:
    table = explainer.bundle.gallery
    rows = [explainer.bundle.gallery_row(example.id) for example in examples]
    print_table(
        (" id", "label", " distance", "split", "source"),
        [
            (str(e.id), e.label, f"{e.distance:.3f}", table.splits[row], table.sources[row])
            for e, row in zip(examples, rows, strict=True)
        ],
    )
