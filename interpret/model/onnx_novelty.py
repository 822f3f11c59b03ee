"""The output `novelty` of a bundle's ONNX graph, and the features that it is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from interpret.bundle.errors import BundleError
from interpret.model.onnx_graph import model_bytes, needed_nodes
from interpret.model.onnx_maps import early_maps, late_maps, mean_of_map

EARLY = "features"  # the output with the means of the early maps
# Outputs, see `with_features`.
LATE = ("pooled_spreads", "previous_means", "previous_spreads", "narrow_means")
_TINY = 1e-12


class Gaussian(NamedTuple):
    """Where the means of the early maps usually lie: ‖(means − mean) whitening‖ is the length."""

    mean: NDArray[np.floating]  # (F,)
    whitening: NDArray[np.floating]  # (F, F)


class Centres(NamedTuple):
    """Points near which late features lie: the distance to the nearest of them is measured."""

    points: NDArray[np.float16]  # (C, F), near the unit sphere
    scale: float  # that the distance is multiplied by


def with_features(model: bytes) -> tuple[bytes, list[str]] | None:
    """The model with more outputs, and their names; None for a model without early maps.

    `features` (N, F) has the means of the early maps. They tell colours and textures apart, but
    not yet classes. A model that pools maps at its end has three more outputs, of late features:
    `pooled_spreads` of the maps that it pools, and `previous_means` and `previous_spreads` of those
    that the last convolution reads; and `narrow_means` where maps further back are narrower still,
    see `late_maps`. A mean or spread is a channel's, over the picture; a spread is its standard
    deviation. The means of the pooled maps are not among them: the distance says what they say.
    """
    proto = onnx.load_from_string(model)
    if not (maps := early_maps(proto)):
        return None
    _without_novelty(proto.graph)
    nodes, late = _late_nodes(proto)
    _append(proto.graph, [*_early_nodes(maps), *nodes], _AXES)
    for name in (EARLY, *late):
        _add_output(proto.graph, name, 2)
    return model_bytes(proto), [EARLY, *late]


def with_novelty(
    model: bytes, early: Gaussian, late: Sequence[Centres] = (), usual: float = 0.0
) -> bytes:
    """The model with one more output, `novelty` (N,): the length of `early`, plus the scaled
    distances of the late features, each put on the unit sphere, to the nearest of their centres,
    less `usual`.

    `late` is in the order that `with_features` names the features in, or empty; an earlier
    `novelty` is replaced. Raises BundleError for a model without the maps.
    """
    proto = onnx.load_from_string(model)
    if not (maps := early_maps(proto)):
        raise BundleError("model.onnx: it has no early activation maps to measure novelty on")
    _without_novelty(proto.graph)
    nodes, names = _late_nodes(proto) if late else ([], [])
    if len(names) != len(late):
        raise BundleError("model.onnx: it has no pooled maps to measure novelty on")
    steps: list[_Step] = [
        ("Sub", [EARLY, "novelty.mean"], "novelty.away"),
        ("MatMul", ["novelty.away", "novelty.whitening"], "novelty.whitened"),
        ("Mul", ["novelty.whitened", "novelty.whitened"], "novelty.squares"),
        ("ReduceSum", ["novelty.squares", "novelty.axis"], "novelty.sum"),
        ("Sqrt", ["novelty.sum"], "novelty.length"),
    ]
    constants: dict[str, NDArray[Any]] = {
        **_AXES,
        "novelty.mean": early.mean.astype(np.float32),
        "novelty.whitening": early.whitening.astype(np.float32),
        "novelty.usual": np.array(usual, np.float32),
    }
    parts = ["novelty.length"]
    for name, centres in zip(names, late, strict=True):
        added, values = _to_nearest(name, centres)
        steps += added
        constants |= values
        parts.append(f"novelty.{name}.part")
    steps += [
        ("Sum", parts, "novelty.parts"),
        ("Sub", ["novelty.parts", "novelty.usual"], "novelty"),
    ]
    _append(proto.graph, [*_early_nodes(maps), *nodes, *map(_node, steps)], constants)
    _add_output(proto.graph, "novelty", 1)
    return model_bytes(proto)


_Step = tuple[str, list[str], str]
_AXES: dict[str, NDArray[Any]] = {
    "novelty.space": np.array([2, 3], np.int64),
    "novelty.axis": np.array([1], np.int64),
}
_FLAT = {"ReduceSum": {"keepdims": 0}, "ReduceMin": {"keepdims": 0}}


def _node(step: _Step) -> onnx.NodeProto:
    kind, inputs, made = step
    options: dict[str, Any] = dict(_FLAT.get(kind, {}))
    if made.endswith(".squared_norm"):
        options = {"keepdims": 1}
    if kind == "Cast":
        options = {"to": TensorProto.FLOAT}
    return helper.make_node(kind, inputs, [made], name=f"{made}.node", **options)


def _to_nearest(name: str, centres: Centres) -> tuple[list[_Step], dict[str, NDArray[Any]]]:
    """From features x (N, F) to the scaled distance of x / ‖x‖ to the nearest centre, and the
    constants: with c a centre, ‖x − c‖² = 1 + ‖c‖² − 2 x·c.
    """
    own = f"novelty.{name}"
    # Half precision keeps the model small; the squares are those of the rounded points.
    points = centres.points.astype(np.float16)
    squares = np.square(points.astype(np.float64)).sum(1)
    constants: dict[str, NDArray[Any]] = {
        f"{own}.points": np.ascontiguousarray(-2 * points.T),
        f"{own}.offsets": (1 + squares).astype(np.float32),
        f"{own}.scale": np.array(centres.scale, np.float32),
        "novelty.tiny": np.array(_TINY, np.float32),
    }
    steps: list[_Step] = [
        ("Mul", [name, name], f"{own}.squares"),
        ("ReduceSum", [f"{own}.squares", "novelty.axis"], f"{own}.squared_norm"),
        ("Max", [f"{own}.squared_norm", "novelty.tiny"], f"{own}.positive"),
        ("Sqrt", [f"{own}.positive"], f"{own}.norm"),
        ("Div", [name, f"{own}.norm"], f"{own}.unit"),
        ("Cast", [f"{own}.points"], f"{own}.wide_points"),
        ("MatMul", [f"{own}.unit", f"{own}.wide_points"], f"{own}.products"),
        ("Add", [f"{own}.products", f"{own}.offsets"], f"{own}.squared_distances"),
        ("ReduceMin", [f"{own}.squared_distances", "novelty.axis"], f"{own}.nearest"),
        ("Relu", [f"{own}.nearest"], f"{own}.not_negative"),
        ("Sqrt", [f"{own}.not_negative"], f"{own}.distance"),
        ("Mul", [f"{own}.distance", f"{own}.scale"], f"{own}.part"),
    ]
    return steps, constants


def _early_nodes(maps: Sequence[str]) -> list[onnx.NodeProto]:
    means = [mean_of_map(number) for number in range(len(maps))]
    nodes = [
        helper.make_node(
            "ReduceMean", [source, "novelty.space"], [mean], name=f"{mean}.node", keepdims=0
        )
        for source, mean in zip(maps, means, strict=True)
    ]
    return [*nodes, helper.make_node("Concat", means, [EARLY], name="features.node", axis=1)]


def _late_nodes(proto: onnx.ModelProto) -> tuple[list[onnx.NodeProto], list[str]]:
    """The nodes that make the outputs `LATE`, and their names; none without pooled maps."""
    found = late_maps(proto)
    if found is None:
        return [], []
    nodes, names = [], []
    sources = ([found.last], found.previous, found.previous, found.narrow)
    for name, maps in zip(LATE, sources, strict=True):
        if not maps:
            continue
        columns = []
        for number, source in enumerate(maps):
            make = _spread_nodes if name.endswith("spreads") else _mean_nodes
            made, column = make(source, f"novelty.{name}_{number}")
            nodes += made
            columns.append(column)
        nodes.append(helper.make_node("Concat", columns, [name], name=f"{name}.node", axis=1))
        names.append(name)
    return nodes, names


def _mean_nodes(source: str, name: str) -> tuple[list[onnx.NodeProto], str]:
    """The mean over the picture of each channel of a map (N, C, h, w)."""
    made = f"{name}.mean"
    node = helper.make_node(
        "ReduceMean", [source, "novelty.space"], [made], name=f"{made}.node", keepdims=0
    )
    return [node], made


def _spread_nodes(source: str, name: str) -> tuple[list[onnx.NodeProto], str]:
    """The standard deviation over the picture of each channel of a map (N, C, h, w)."""
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("ReduceMean", [source, "novelty.space"], "mean", {"keepdims": 1}),
        ("Sub", [source, f"{name}.mean"], "away", {}),
        ("Mul", [f"{name}.away", f"{name}.away"], "squares", {}),
        ("ReduceMean", [f"{name}.squares", "novelty.space"], "variance", {"keepdims": 0}),
        ("Sqrt", [f"{name}.variance"], "spread", {}),
    ]
    nodes = [
        helper.make_node(kind, inputs, [f"{name}.{made}"], name=f"{name}.{made}.node", **options)
        for kind, inputs, made, options in steps
    ]
    return nodes, f"{name}.spread"


def _without_novelty(graph: onnx.GraphProto) -> None:
    """Take out what an earlier `with_novelty` put in."""
    kept = [o for o in graph.output if o.name != "novelty"]
    nodes = needed_nodes(graph, [o.name for o in kept])
    used = {name for node in nodes for name in node.input}
    tensors = [t for t in graph.initializer if t.name in used or not t.name.startswith("novelty.")]
    for field, values in ((graph.output, kept), (graph.node, nodes), (graph.initializer, tensors)):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)


def _append(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], constants: dict[str, NDArray[Any]]
) -> None:
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in constants.items())


def _add_output(graph: onnx.GraphProto, name: str, rank: int) -> None:
    embedding = next(o for o in graph.output if o.name == "embedding")
    batch = embedding.type.tensor_type.shape.dim[0].dim_param
    shape = [batch, *[None] * (rank - 1)]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
