"""From a table or figure of the paper to its runs, and from those to tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from interpret.bundle.atomic_files import write_atomically
from interpret.figures.angle_histograms import angle_histograms, interclass_angles
from interpret.figures.layout import save_figure
from interpret.figures.sphere_3d import sphere_view
from interpret.figures.sphere_map import SphereData, sphere_maps
from interpret.report.sphere_page import sphere_page
from training.config.errors import ConfigError
from training.config.method_names import METHOD_NAMES
from training.config.train_config import TrainConfig
from training.paper import tables as comparison
from training.paper.paired_tests import paired_tables
from training.paper.protocol import TARGETS, Preset, Setting, configuration, setting_of
from training.paper.runs import Arrays, Cell, Result, loader, read, run_cells, stored
from training.paper.tables import Results

SPHERE_ORDER = ("ce", "cl", "ccl", "sccl", "cpn", "dpp", "dpnp")  # fig. 5 a–g
SPHERE = "dpnp"  # the method shown in 3-D, fig. 5 h


def plan(
    target: str,
    preset: str,
    *,
    seeds: Sequence[int],
    methods: Sequence[str] = (),
    data: Sequence[str] = (),
    networks: Sequence[str] = (),
    epochs: int | None = None,
    overrides: Sequence[str] = (),
    holdout: bool = False,
) -> list[Cell]:
    """The runs that a target needs, one seed after the other.

    `data` holds data sets as `--data` spells them, or NAME=SOURCE for a data set of the paper that
    lies elsewhere; none: the target's own. So are `networks`. `overrides` are OPTION=VALUE; an
    embedding_dim among them is another column of the tables.
    Raises ConfigError.
    """
    if target not in TARGETS:
        raise ConfigError(f"{target}: not one of {', '.join(TARGETS)}")
    if preset not in get_args(Preset):
        raise ConfigError(f"--preset {preset}: not one of {', '.join(get_args(Preset))}")
    if unknown := [m for m in methods if m not in METHOD_NAMES]:
        raise ConfigError(f"--methods {unknown[0]}: not one of {', '.join(METHOD_NAMES)}")
    covered = TARGETS[target].networks
    if foreign := [n for n in networks if n not in covered]:
        raise ConfigError(f"--networks {foreign[0]}: {target} is of {', '.join(covered)}")
    wanted = [n for n in covered if not networks or n in networks]
    sources = dict(_source(text) for text in data) or {name: name for name in TARGETS[target].data}
    changes = dict(_override(text) for text in overrides)
    cells = []
    for seed in seeds:
        for name, source in sources.items():
            for network in wanted:
                where = setting_of(name, network)
                for method in methods or METHOD_NAMES:
                    own = configuration(cast(Preset, preset), where, method, seed, source, epochs)
                    config = TrainConfig.of(**(own.model_dump() | changes))
                    column = where._replace(dim=config.embedding_dim) if where.reduced else where
                    cells.append(Cell(column, method, seed, config, holdout))
    return cells


class Reproduced(NamedTuple):
    """What a target came to: its tables for the terminal, and the figures that were drawn."""

    tables: list[Table]
    figures: list[Path]


def reproduce(
    target: str,
    cells: Sequence[Cell],
    out: Path,
    *,
    data_root: Path = Path("data"),
    download: bool = False,
) -> Reproduced:
    """Run what is missing, then write the target's tables and figures into `out`."""
    runs = out / "runs"
    run_cells(cells, runs, loader(data_root, download, any(cell.holdout for cell in cells)))
    results: dict[Setting, dict[str, list[Result]]] = {}
    drawn: dict[Setting, dict[str, tuple[Result, Arrays]]] = {}
    answers: dict[Setting, dict[str, dict[int, NDArray[np.bool_]]]] = {}
    for cell in cells:
        folder = stored(cell, runs)
        if folder is None:  # another process than the main one trained it
            return Reproduced([], [])
        result, arrays = read(folder)
        results.setdefault(cell.setting, {}).setdefault(cell.method, []).append(result)
        drawn.setdefault(cell.setting, {}).setdefault(cell.method, (result, arrays))  # first seed
        if arrays.right is not None:
            methods = answers.setdefault(cell.setting, {})
            methods.setdefault(cell.method, {})[cell.seed] = arrays.right
    made = Reproduced([], [])
    for name in _members(target):
        if TARGETS[name].measures:
            made.tables.extend(write_tables(name, results, out))
        else:
            made.figures.extend(write_figures(name, results, drawn, out))
    if "accuracy" in TARGETS[target].measures:
        text, tables = paired_tables(answers)
        write_atomically(out / "paired.md", text.encode())
        made.tables.extend(tables)
    return made


def write_tables(name: str, results: Results, out: Path) -> list[Table]:
    """NAME.md and NAME.csv in `out`, and the same for a terminal; nothing without a setting."""
    wanted = {
        setting: own
        for setting, own in results.items()
        if ("reduced" if setting.reduced else "standard") in TARGETS[name].networks
    }
    if not wanted:
        return []
    measures = TARGETS[name].measures
    write_atomically(out / f"{name}.md", comparison.markdown(wanted, measures).encode())
    write_atomically(out / f"{name}.csv", comparison.comma_separated(wanted, measures).encode())
    return comparison.rich_tables(wanted, measures)


def write_figures(
    name: str, results: Results, drawn: dict[Setting, dict[str, tuple[Result, Arrays]]], out: Path
) -> list[Path]:
    """The figure as PNG; fig. 5 also in 3-D, as PNG and as a page to turn. Of the first seed."""
    if name == "fig5":
        return _sphere_figures(drawn, out)
    rows, limits = {}, {}
    for where, methods in drawn.items():
        row = comparison.title(where, {m: [result] for m, (result, _) in methods.items()})
        rows[row] = {
            method.upper(): interclass_angles(arrays.centres)
            if name == "fig3"
            else arrays.intra_class_angles
            for method, (_, arrays) in methods.items()
        }
        widest = comparison.limit(results[where])
        if widest and name == "fig3":
            limits[row] = widest.degrees
    label = "angle between two class centres" if name == "fig3" else "angle to the own class centre"
    path = out / f"{name}.png"
    figure = angle_histograms(
        rows,
        methods=[method.upper() for method in METHOD_NAMES],
        xlabel=f"{label}, degrees",
        limits=limits or None,
    )
    save_figure(figure, path)
    return [path]


def _sphere_figures(
    drawn: dict[Setting, dict[str, tuple[Result, Arrays]]], out: Path
) -> list[Path]:
    written = []
    for where, methods in drawn.items():
        panels = {
            method.upper(): data
            for method in SPHERE_ORDER
            if method in methods and (data := _on_sphere(*methods[method])) is not None
        }
        if not panels:
            continue
        stem = out / f"fig5-{where.key}"
        save_figure(sphere_maps(panels), maps := stem.with_suffix(".png"))
        written.append(maps)
        if (shown := panels.get(SPHERE.upper())) is not None:
            save_figure(sphere_view(shown), view := stem.with_name(f"{stem.name}-sphere.png"))
            page = stem.with_name(f"{stem.name}-sphere.html")
            title = f"{comparison.DATA_NAMES.get(where.data, where.data)}, {SPHERE.upper()} in 3-D"
            write_atomically(page, sphere_page(shown, title).encode())
            written += [view, page]
    return written


def _on_sphere(result: Result, arrays: Arrays) -> SphereData | None:
    """What fig. 5 shows of a run; None where the embedding is not 3-D."""
    if arrays.embeddings is None:
        return None
    names, centres, weights = result.class_names, arrays.centres, arrays.weights
    return SphereData(arrays.embeddings, arrays.labels, names, centres, weights)


def _members(target: str) -> list[str]:
    return list(TARGETS) if target == "all" else [target]


def _source(text: str) -> tuple[str, str]:
    name, separator, source = text.partition("=")
    return (name, source) if separator else (text, text)


def _override(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    name = name.removeprefix("--").replace("-", "_")
    if not separator or name not in TrainConfig.model_fields:
        raise ConfigError(
            f"--set {text}: not OPTION=VALUE with an option of dpnp train that changes the weights"
        )
    return name, None if value == "none" and name == "weights" else value


def described(cell: Cell) -> dict[str, Any]:
    """A run in plain values: its folder's name, its column of the paper, its configuration."""
    return {"run": cell.folder, "column": cell.setting.key, **cell.config.model_dump(mode="json")}
