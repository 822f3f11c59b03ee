"""The output `novelty` of a bundle's ONNX graph, and the features that it is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, takewhile
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from interpret.bundle.errors import BundleError
from interpret.model.onnx_graph import model_bytes, needed_nodes

_ACTIVATIONS = ("Relu", "LeakyRelu", "Clip", "HardSwish", "Gelu", "Elu")
_EARLY = 4  # the side of an early map is at most the picture's divided by this


def with_features(model: bytes) -> bytes | None:
    """The model with one more output, `features` (N, F): the means of its early activation maps.

    The early maps are, on each path through the network, the first ones with at most a quarter of
    the picture's side. They tell colours and textures apart, but not yet classes. None for a model
    without early maps.
    """
    proto = onnx.load_from_string(model)
    if not (maps := _early_maps(proto)):
        return None
    _without_novelty(proto.graph)
    _append(proto.graph, _feature_nodes(maps), {"novelty.space": np.array([2, 3], np.int64)})
    _add_output(proto.graph, "features", 2)
    return model_bytes(proto)


def with_novelty(
    model: bytes,
    mean: NDArray[np.floating],
    whitening: NDArray[np.floating],
    usual: float,
) -> bytes:
    """The model with one more output, `novelty` (N,): ‖(features − mean) whitening‖ − usual.

    `mean` is (F,), `whitening` (F, F); an earlier `novelty` is replaced. Raises BundleError for a
    model without early maps.
    """
    proto = onnx.load_from_string(model)
    if not (maps := _early_maps(proto)):
        raise BundleError("model.onnx: it has no early activation maps to measure novelty on")
    _without_novelty(proto.graph)
    steps = [
        ("Sub", ["features", "novelty.mean"], "novelty.away"),
        ("MatMul", ["novelty.away", "novelty.whitening"], "novelty.whitened"),
        ("Mul", ["novelty.whitened", "novelty.whitened"], "novelty.squares"),
        ("ReduceSum", ["novelty.squares", "novelty.axis"], "novelty.sum"),
        ("Sqrt", ["novelty.sum"], "novelty.length"),
        ("Sub", ["novelty.length", "novelty.usual"], "novelty"),
    ]
    options: dict[str, dict[str, Any]] = {"ReduceSum": {"keepdims": 0}}
    nodes = [
        helper.make_node(kind, inputs, [made], name=f"{made}.node", **options.get(kind, {}))
        for kind, inputs, made in steps
    ]
    constants: dict[str, NDArray[Any]] = {
        "novelty.space": np.array([2, 3], np.int64),
        "novelty.axis": np.array([1], np.int64),
        "novelty.mean": mean.astype(np.float32),
        "novelty.whitening": whitening.astype(np.float32),
        "novelty.usual": np.array(usual, np.float32),
    }
    _append(proto.graph, [*_feature_nodes(maps), *nodes], constants)
    _add_output(proto.graph, "novelty", 1)
    return model_bytes(proto)


def _early_maps(proto: onnx.ModelProto) -> list[str]:
    """The maps that an earlier novelty was measured on; without one, the first small ones."""
    # INT8 takes activations into the convolutions: what was found before is not found again.
    makers = {node.output[0]: node for node in proto.graph.node}
    names = takewhile(makers.__contains__, map(_mean_of_map, count()))
    if earlier := [makers[name].input[0] for name in names]:
        return earlier
    graph = onnx.shape_inference.infer_shapes(proto).graph
    sides = {}
    for value in graph.value_info:
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 4:
            sides[value.name] = (dims[2].dim_value, dims[3].dim_value)
    pixels = next(i for i in graph.input if i.name == "pixels")
    largest = pixels.type.tensor_type.shape.dim[1].dim_value // _EARLY
    found: list[str] = []
    reached: set[str] = set()  # what comes after a map that was found
    for node in needed_nodes(graph, ["embedding"]):
        if reached.intersection(node.input):
            reached.update(node.output)
        elif node.op_type in _ACTIVATIONS:
            side = max(sides.get(node.output[0], (0, 0)))
            if 1 < side <= largest:
                found.append(node.output[0])
                reached.add(node.output[0])
    return found


def _feature_nodes(maps: Sequence[str]) -> list[onnx.NodeProto]:
    means = [_mean_of_map(number) for number in range(len(maps))]
    nodes = [
        helper.make_node(
            "ReduceMean", [source, "novelty.space"], [mean], name=f"{mean}.node", keepdims=0
        )
        for source, mean in zip(maps, means, strict=True)
    ]
    return [*nodes, helper.make_node("Concat", means, ["features"], name="features.node", axis=1)]


def _mean_of_map(number: int) -> str:
    return f"novelty.mean_{number}"


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
