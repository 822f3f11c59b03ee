"""The commands over a bundle and pictures: predict, explain, similar.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interpret.batch.engines import Engine
from interpret.bundle.errors import DpnpError, ImageError
from interpret.bundle.file_suffixes import check_suffix, has_suffix
from interpret.commands.batch_job import (
    BatchOptions,
    is_folder,
    predict_into_shards,
)
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


def predict(  # its length is that of its options
    bundle: BundleFolder,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="pictures, folders of them, lists of paths (.txt), Parquet files of bytes or "
            "paths, WebDataset shards (.tar), or addresses of these (s3://…)",
        ),
    ],
    as_json: AsJson = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE|DIR",
            help="write the answers into a table (.parquet or .csv), or as Parquet shards into a "
            "folder, where a job that was cut goes on",
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="who computes the shards: this process, or workers of Ray")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes of --engine ray; default: all that fit")
    ] = None,
    gpus_per_worker: Annotated[
        float,
        typer.Option(min=0, help="GPUs of each process of --engine ray; 0.5: two share one"),
    ] = 0,
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings", help="keep embeddings in the shards, for update-gallery --from"
        ),
    ] = False,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="keep small pictures in the shards, too")
    ] = False,
) -> None:
    """Classify pictures and say how near the nearest prototypes are.

    Example: dpnp predict models/digits-dpnp three.png seven.png

    A folder, into a table: dpnp predict models/digits-dpnp pictures --out predictions.parquet

    Millions, into shards: dpnp predict models/digits-dpnp pictures --out answers --engine ray
    """
    if as_json and out is not None:
        raise DpnpError("--json and --out: give one of them; --out writes a table or shards")
    options = BatchOptions(engine, workers, gpus_per_worker, embeddings, thumbnails)
    if out is not None and is_folder(out):
        predict_into_shards(bundle, sources, out, options)
        return
    options.check_unused()
    from interpret.batch.sources import list_sources
    from interpret.batch.tables import answers_to, write_table

    if out is not None and not has_suffix(out, "tables"):
        raise DpnpError(
            f"{out}: tables are written as .parquet or .csv, shards into a folder, whose name has "
            "no suffix"
        )
    explainer, listing = _load(bundle), list_sources(sources)
    if out is not None:
        written = write_table(explainer, listing, out)
        bad = f"{written.unreadable} of them unreadable"
        typer.echo(f"written: {printable(out)}, {written.pictures} pictures, {bad}")
        raise typer.Exit(2 if written.unreadable else 0)
    answers: list[tuple[str, Classification]] = []
    unreadable = 0
    for each in answers_to(explainer, listing):
        if isinstance(each.answer, ImageError):
            complain(each.answer)
            unreadable += 1
        else:
            answers.append((each.picture.name, each.answer))
    if not as_json:
        _print_answers(answers)
    else:
        print_json([{"file": name} | answer.model_dump() for name, answer in answers])
    if unreadable:
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
        _print_answers([(str(image), explanation)])
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


def _print_answers(answers: Sequence[tuple[str, Classification]]) -> None:
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
                name,
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
            for name, answer in answers
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
