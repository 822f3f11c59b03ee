"""The projection at the end of a bundle's ONNX graph: h = mean over locations of (W f + b).

`pooled_width`, `with_pooled` and `trunk_digest` see the graph as a trunk, whose pooled features f
(N, F) do not change when the head does, and a projection W (d, F), b (d,) after it. A network
without a projection has its own embedding for pooled features, and W is the identity.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from interpret.model.onnx_graph import model_bytes, needed_nodes

Floats = NDArray[np.float32]
POOLED = "pooled"  # the output that `with_pooled` adds
_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # the axes of maps before and after the MatMul


class Projection(NamedTuple):
    """The projection of a graph: its weights, and the tensors that go in."""

    weight: Floats  # (d, F)
    bias: Floats  # (d,)
    pooled: str  # the tensor (N, F)
    maps: str | None  # the tensor (N, F, h, w); None for a network without locations


def projection_of(model: bytes) -> Projection:
    """The projection at the end of a model; the identity where there is none."""
    return projection_in(onnx.load_from_string(model).graph)


def with_pooled(model: bytes) -> bytes:
    """The model with one more output, `pooled` (N, F): its features before the projection."""
    proto = onnx.load_from_string(model)
    graph = proto.graph
    found = projection_in(graph)
    if not any(output.name == POOLED for output in graph.output):
        graph.node.append(
            helper.make_node("Identity", [found.pooled], [POOLED], name="pooled.node")
        )
        embedding = next(o for o in graph.output if o.name == "embedding")
        batch = embedding.type.tensor_type.shape.dim[0].dim_param
        shape = [batch, found.weight.shape[1]]
        graph.output.append(helper.make_tensor_value_info(POOLED, TensorProto.FLOAT, shape))
    return model_bytes(proto)


def with_projection(model: bytes, weight: Floats, bias: Floats) -> bytes:
    """The model with another projection, (d, F) and (d,): `embedding` and `evidence` follow it.

    Everything after the embedding stays as it is, so the prototypes have to be set anew.
    """
    proto = onnx.load_from_string(model)
    graph = proto.graph
    found = projection_in(graph)
    outputs = [o.name for o in graph.output if o.name in ("embedding", "evidence")]
    if found.pooled == "embedding":
        found = _renamed(graph, found, outputs)
    trunk = needed_nodes(graph, [name for name in (found.pooled, found.maps) if name])
    # A node is known by its outputs: protobuf makes new Python objects for the same node.
    before = {tuple(node.output) for node in needed_nodes(graph, outputs)}
    before |= {tuple(node.output) for node in trunk}
    added, constants = _nodes(found, weight, bias)
    order = [*trunk, *added, *(node for node in graph.node if tuple(node.output) not in before)]
    used = {name for node in order for name in node.input}
    tensors = [t for t in graph.initializer if t.name in used and t.name not in constants]
    tensors += [numpy_helper.from_array(value, name) for name, value in constants.items()]
    for field, values in ((graph.node, order), (graph.initializer, tensors)):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)
    return model_bytes(proto)


def trunk_digest(model: bytes) -> str:
    """SHA-256 of the network before its projection: what the pooled features depend on.

    Names of tensors and everything after the pooled features are left out, so a model keeps its
    digest when its head, its temperature or its novelty changes.
    """
    graph = onnx.load_from_string(model).graph
    numbers: dict[str, int] = {}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    digest = hashlib.sha256()
    for node in needed_nodes(graph, [projection_in(graph).pooled]):
        for name in node.input:
            if name in constants and name not in numbers:
                value = numpy_helper.to_array(constants[name])
                digest.update(f"{value.dtype}{value.shape}".encode())
                digest.update(np.ascontiguousarray(value).tobytes())
            numbers.setdefault(name, len(numbers))
        for name in node.output:
            numbers.setdefault(name, len(numbers))
        wiring = [[numbers[name] for name in names] for names in (node.input, node.output)]
        digest.update(f"{node.op_type}{wiring}".encode())
        for attribute in sorted(node.attribute, key=lambda each: each.name):
            digest.update(attribute.SerializeToString(deterministic=True))
    return digest.hexdigest()


def projection_in(graph: onnx.GraphProto) -> Projection:
    """The projection at the end of a graph; the identity where there is none."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    has_evidence = any(output.name == "evidence" for output in graph.output)
    node = _maker(graph, "embedding")
    maps = _projected_maps(graph) if has_evidence else None
    if node.op_type == "Gemm" and _plain(node) and not (has_evidence and maps is None):
        weights = [constants.get(name) for name in node.input[1:]]
        if None not in weights:
            weight, *bias = (
                numpy_helper.to_array(tensor).astype(np.float32)
                for tensor in weights
                if tensor is not None
            )
            shift = bias[0] if bias else np.zeros(len(weight), np.float32)
            return Projection(weight, shift, node.input[0], maps)
    output = next(o for o in graph.output if o.name == "embedding")
    size = output.type.tensor_type.shape.dim[1].dim_value
    plain = np.eye(size, dtype=np.float32), np.zeros(size, np.float32)
    return Projection(*plain, "embedding", "evidence" if has_evidence else None)


def _plain(node: onnx.NodeProto) -> bool:
    """Whether a Gemm is x Wᵀ + b."""
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    usual = {"transA": 0, "transB": 1, "alpha": 1.0, "beta": 1.0}
    own: dict[str, Any] = {"transA": 0, "transB": 0, "alpha": 1.0, "beta": 1.0} | values
    return all(own[name] == value for name, value in usual.items())


def _projected_maps(graph: onnx.GraphProto) -> str | None:
    """The maps that `evidence` is projected from; None when it is made in another way."""
    name = "evidence"
    for kind, axes in (("Transpose", _TO_FIRST), ("Add", None), ("MatMul", None)):
        node = _maker(graph, name)
        if node is None or node.op_type != kind or (axes and _axes(node) != axes):
            return None
        name = node.input[0]
    node = _maker(graph, name)
    if node is None or node.op_type != "Transpose" or _axes(node) != _TO_LAST:
        return None
    return str(node.input[0])


def _axes(node: onnx.NodeProto) -> list[int]:
    return next((list(a.ints) for a in node.attribute if a.name == "perm"), [])


def _maker(graph: onnx.GraphProto, name: str) -> Any:
    return next((node for node in graph.node if name in node.output), None)


def _renamed(graph: onnx.GraphProto, found: Projection, outputs: list[str]) -> Projection:
    """The same graph, whose embedding and evidence are named as inputs of a projection to come."""
    names = {"embedding": "head.pooled", "evidence": "head.maps"}
    # Novelty is measured on the maps as they are, not on what comes after the new projection.
    for node in needed_nodes(graph, [*outputs, "novelty"]):
        for field in (node.input, node.output):
            for position, name in enumerate(field):
                field[position] = names.get(name, name)
    return found._replace(pooled="head.pooled", maps=found.maps and "head.maps")


def _nodes(
    found: Projection, weight: Floats, bias: Floats
) -> tuple[list[onnx.NodeProto], dict[str, NDArray[Any]]]:
    """The nodes of a projection, and its constants."""
    constants: dict[str, NDArray[Any]] = {
        "head.weight": np.ascontiguousarray(weight, np.float32),
        "head.bias": bias.astype(np.float32),
    }
    inputs = [found.pooled, "head.weight", "head.bias"]
    nodes = [helper.make_node("Gemm", inputs, ["embedding"], name="head.embedding", transB=1)]
    if found.maps is None:
        return nodes, constants
    constants["head.weight_transposed"] = np.ascontiguousarray(weight.T, np.float32)
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Transpose", [found.maps], "head.channels_last", {"perm": _TO_LAST}),
        ("MatMul", ["head.channels_last", "head.weight_transposed"], "head.products", {}),
        ("Add", ["head.products", "head.bias"], "head.local", {}),
        ("Transpose", ["head.local"], "evidence", {"perm": _TO_FIRST}),
    ]
    nodes += [
        helper.make_node(kind, given, [made], name=f"{made}.node", **options)
        for kind, given, made, options in steps
    ]
    return nodes, constants
