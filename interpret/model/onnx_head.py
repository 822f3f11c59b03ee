"""Changes of a bundle's ONNX graph after the embedding: another temperature, other prototypes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from interpret.bundle.errors import BundleError
from interpret.model.onnx_graph import model_bytes, needed_nodes, unused_name

# Names of divisors that are temperatures: those of `with_temperature` and of `_tail`.
_TEMPERATURE = re.compile(r"temperature_*|tail\.temperature")
_SAME = 1e-5  # relative difference of squared norms that rounding alone makes


def with_temperature(model: bytes, temperature: float) -> bytes:
    """The model with its own logits divided by `temperature`, which takes the place of an earlier
    one: only `probabilities` change.

    Raises BundleError when the probabilities do not come from a softmax.
    """
    proto = onnx.load_from_string(model)
    graph = proto.graph
    softmax = _untempered_softmax(graph)
    divisor, scaled = unused_name(graph, "temperature"), unused_name(graph, "tempered_logits")
    graph.initializer.append(numpy_helper.from_array(np.array(temperature, np.float32), divisor))
    division = helper.make_node("Div", [softmax.input[0], divisor], [scaled])
    softmax.input[0] = scaled
    graph.node.insert(list(graph.node).index(softmax), division)
    return model_bytes(proto)


def without_temperature(model: bytes) -> bytes:
    """The model with the probabilities of its own logits. Raises as `with_temperature` does."""
    proto = onnx.load_from_string(model)
    _untempered_softmax(proto.graph)
    return model_bytes(proto)


def _untempered_softmax(graph: onnx.GraphProto) -> onnx.NodeProto:
    """The node that makes the probabilities, once the divisions by a temperature before it are
    taken out: there are several in bundles that older releases calibrated more than once.
    """
    makers: dict[str, onnx.NodeProto] = {o: node for node in graph.node for o in node.output}
    softmax = makers.get("probabilities")
    if softmax is None or softmax.op_type != "Softmax":
        raise BundleError("model.onnx: its probabilities do not come from a softmax")
    while (node := makers.get(softmax.input[0])) is not None:
        if node.op_type != "Div" or not _TEMPERATURE.fullmatch(node.input[1]):
            break
        softmax.input[0], divisor = node.input
        graph.node.remove(node)
        graph.initializer.remove(next(t for t in graph.initializer if t.name == divisor))
    return softmax


def with_prototypes(
    model: bytes, prototypes: NDArray[np.float32], radius: float, temperature: float = 1.0
) -> bytes:
    """The model with other prototypes (M, d): the part after the embedding is written anew.

    s_j = c_j·h − ‖c_j‖²/2 is largest for the nearest prototype. The softmax takes
    s / (radius · temperature). For prototypes on one sphere this is eq. 1: their norms cancel.
    """
    proto = onnx.load_from_string(model)
    graph = proto.graph
    kept_outputs = [o for o in graph.output if o.name in ("embedding", "evidence", "novelty")]
    nodes = needed_nodes(graph, [o.name for o in kept_outputs])
    used = {name for node in nodes for name in node.input}
    initializers = [t for t in graph.initializer if t.name in used]
    embedding = next(o for o in graph.output if o.name == "embedding")
    batch = embedding.type.tensor_type.shape.dim[0].dim_param
    tail = _tail(prototypes, radius, temperature)
    new = helper.make_graph(
        [*nodes, *tail.node],
        graph.name,
        list(graph.input),
        [
            embedding,
            *(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, len(prototypes)])
                for name in ("distances", "probabilities")
            ),
            *(o for o in kept_outputs if o.name != "embedding"),
        ],
        [*initializers, *tail.initializer],
    )
    proto.graph.CopyFrom(new)
    return model_bytes(proto)


def head_alone(model: bytes) -> bytes:
    """The part after the embedding as a model of its own: from `embedding` (N, d) to `distances`
    and `probabilities`.

    Raises BundleError when these need more of the network than its embedding.
    """
    proto = onnx.load_from_string(model)
    graph = proto.graph
    wanted, nodes = {"distances", "probabilities"}, []
    for node in reversed(graph.node):  # the order is topological: a node comes after its inputs
        if (wanted - {"embedding"}) & set(node.output):
            nodes.append(node)
            wanted.update(node.input)
    made = {name for node in nodes for name in node.output}
    tensors = [tensor for tensor in graph.initializer if tensor.name in wanted]
    others = wanted - made - {tensor.name for tensor in tensors} - {"", "embedding"}
    if others:
        raise BundleError("model.onnx: its answers do not follow from its embeddings alone")
    values = {value.name: value for value in graph.output}
    head = helper.make_graph(
        nodes[::-1],
        f"{graph.name} head",
        [values["embedding"]],
        [values["distances"], values["probabilities"]],
        tensors,
    )
    proto.graph.CopyFrom(head)
    return model_bytes(proto)


def radius_of(model: bytes) -> float | None:
    """The radius that `with_prototypes` was given; None for a graph that it did not write."""
    for tensor in onnx.load_from_string(model).graph.initializer:
        if tensor.name == "tail.radius":
            return float(numpy_helper.to_array(tensor))
    return None


def _tail(prototypes: NDArray[np.float32], radius: float, temperature: float) -> onnx.GraphProto:
    """From `embedding` to `distances` and `probabilities`.

    With p the nearest prototype, ‖h−c_j‖² = ‖h−c_p‖² + 2 (s_p − s_j). So no digits are lost near a
    prototype, and the distances always have the order of the logits.
    """
    half_squares = np.square(prototypes, dtype=np.float64).sum(1) / 2
    # A part that all offsets share cancels, but it would take digits from the products.
    offsets = half_squares - half_squares.max()
    if np.allclose(half_squares, half_squares.max(), rtol=_SAME):
        offsets = np.zeros_like(offsets)
    constants: dict[str, NDArray[Any]] = {
        "prototypes": prototypes.astype(np.float32),
        "prototypes_transposed": np.ascontiguousarray(prototypes.T, dtype=np.float32),
        "offsets": offsets.astype(np.float32),
        "class_axis": np.array([1], np.int64),
        "two": np.array(2, np.float32),
        "radius": np.array(radius, np.float32),
        "temperature": np.array(temperature, np.float32),
    }
    steps: Sequence[tuple[str, Sequence[str], str, dict[str, Any]]] = [
        ("MatMul", ["embedding", "tail.prototypes_transposed"], "products", {}),
        ("Sub", ["tail.products", "tail.offsets"], "scores", {}),
        ("ReduceMax", ["tail.scores", "tail.class_axis"], "best", {"keepdims": 1}),
        ("ArgMax", ["tail.scores"], "nearest", {"axis": 1, "keepdims": 0}),
        ("Gather", ["tail.prototypes", "tail.nearest"], "closest", {"axis": 0}),
        ("Sub", ["embedding", "tail.closest"], "away", {}),
        ("Mul", ["tail.away", "tail.away"], "squares", {}),
        ("ReduceSum", ["tail.squares", "tail.class_axis"], "own", {"keepdims": 1}),
        ("Sub", ["tail.best", "tail.scores"], "lead", {}),
        ("Mul", ["tail.lead", "tail.two"], "twice", {}),
        ("Add", ["tail.own", "tail.twice"], "all", {}),
        ("Sqrt", ["tail.all"], "distances", {}),
        ("Div", ["tail.scores", "tail.radius"], "logits", {}),
        ("Div", ["tail.logits", "tail.temperature"], "tempered", {}),
        ("Softmax", ["tail.tempered"], "probabilities", {"axis": 1}),
    ]
    outputs = ("distances", "probabilities")
    nodes = [
        helper.make_node(kind, inputs, [made if made in outputs else f"tail.{made}"], **options)
        for kind, inputs, made, options in steps
    ]
    arrays = [numpy_helper.from_array(value, f"tail.{name}") for name, value in constants.items()]
    return helper.make_graph(nodes, "tail", [], [], arrays)
