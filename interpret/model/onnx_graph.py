"""The ONNX graph of a bundle, changed without torch: a temperature, prototypes, a smaller file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from interpret.bundle.errors import BundleError

_LARGE = 4096  # entries, from which a filter is worth storing in half precision
_SAME = 1e-5  # relative difference of squared norms that rounding alone makes
_ACTIVATIONS = ("Relu", "LeakyRelu", "Clip", "HardSwish", "Gelu", "Elu")
_EARLY = 4  # maps whose side is at most the picture's divided by this, the first ones of them


def needed_nodes(graph: onnx.GraphProto, outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that `outputs` depend on, in the graph's order."""
    wanted, kept = set(outputs), []
    for node in reversed(graph.node):  # the order is topological: a node comes after its inputs
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def with_temperature(model: bytes, temperature: float) -> bytes:
    """The model with its logits divided by `temperature`: only `probabilities` change.

    Raises BundleError when they do not come from a softmax.
    """
    proto = onnx.load_from_string(model)
    graph = proto.graph
    makers = [node for node in graph.node if "probabilities" in node.output]
    if not makers or makers[0].op_type != "Softmax":
        raise BundleError("model.onnx: its probabilities do not come from a softmax")
    softmax = makers[0]
    divisor, scaled = _unused(graph, "temperature"), _unused(graph, "tempered_logits")
    graph.initializer.append(numpy_helper.from_array(np.array(temperature, np.float32), divisor))
    division = helper.make_node("Div", [softmax.input[0], divisor], [scaled])
    softmax.input[0] = scaled
    graph.node.insert(list(graph.node).index(softmax), division)
    return _checked(proto)


def with_prototypes(
    model: bytes, prototypes: NDArray[np.float32], radius: float, temperature: float = 1.0
) -> bytes:
    """The model with other prototypes (M, d): what follows the embedding is written anew.

    With s_j = c_j·h − ‖c_j‖²/2, which is largest for the nearest prototype, the softmax takes
    s / (radius · temperature). On one sphere that is eq. 1's: the norms cancel.
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
    return _checked(proto)


def with_features(model: bytes) -> bytes | None:
    """The model with one more output, `features` (N, F): the means of its early activation maps.

    Those are, on each path through the network, the first maps with at most a quarter of the
    picture's side: they tell colours and textures apart, and no classes yet. None without any.
    """
    proto = onnx.load_from_string(model)
    if not (maps := _early_maps(proto)):
        return None
    _without_novelty(proto.graph)
    _append(proto.graph, _feature_nodes(maps), {"novelty.space": np.array([2, 3], np.int64)})
    _add_output(proto.graph, "features", 2)
    return _checked(proto)


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
    return _checked(proto)


def shuffled(model: bytes, seed: int) -> bytes:
    """The model with the entries of every weight permuted: the same numbers, nothing learnt."""
    proto = onnx.load_from_string(model)
    generator = np.random.default_rng(seed)
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype in (np.float32, np.float16) and values.ndim >= 2:
            mixed = generator.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(mixed, tensor.name))
    return _checked(proto)


def halved(model: bytes) -> bytes:
    """The model with its convolutions' filters stored in half precision: half the file. A cast
    widens them as the model is loaded, and all is computed in single precision as before. What
    comes after the pooling is left alone: distances and evidence need every digit.
    """
    proto = onnx.load_from_string(model)
    graph, casts = proto.graph, []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim != 4 or values.size < _LARGE:
            continue
        name, stored = tensor.name, _unused(graph, f"{tensor.name}.half")
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return _checked(proto)


def widened(model: bytes) -> bytes:
    """The same model with the filters that `halved` stored small in single precision again."""
    proto = onnx.load_from_string(model)
    graph, stored = proto.graph, {tensor.name: tensor for tensor in proto.graph.initializer}
    casts = [n for n in graph.node if n.op_type == "Cast" and n.input[0] in stored]
    for cast in casts:
        tensor = stored[cast.input[0]]
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, cast.output[0]))
        graph.node.remove(cast)
    return _checked(proto)


def radius_of(model: bytes) -> float | None:
    """The radius that `with_prototypes` was given; None for a graph that it did not write."""
    for tensor in onnx.load_from_string(model).graph.initializer:
        if tensor.name == "tail.radius":
            return float(numpy_helper.to_array(tensor))
    return None


def _tail(prototypes: NDArray[np.float32], radius: float, temperature: float) -> onnx.GraphProto:
    """From `embedding` to `distances` and `probabilities`.

    ‖h−c_j‖² = ‖h−c_p‖² + 2 (s_p − s_j): with p the nearest prototype no digits are lost near
    one, and the order of the distances is always that of the logits.
    """
    half_squares = np.square(prototypes, dtype=np.float64).sum(1) / 2
    # What all have in common cancels; left in, it would take digits from the products.
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


def _early_maps(proto: onnx.ModelProto) -> list[str]:
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
    means = [f"novelty.mean_{number}" for number in range(len(maps))]
    nodes = [
        helper.make_node(
            "ReduceMean", [source, "novelty.space"], [mean], name=f"{mean}.node", keepdims=0
        )
        for source, mean in zip(maps, means, strict=True)
    ]
    return [*nodes, helper.make_node("Concat", means, ["features"], name="features.node", axis=1)]


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


def _unused(graph: onnx.GraphProto, name: str) -> str:
    taken = {t.name for t in graph.initializer} | {o for node in graph.node for o in node.output}
    while name in taken:
        name += "_"
    return name


def _checked(proto: onnx.ModelProto) -> bytes:
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString()
    return content
