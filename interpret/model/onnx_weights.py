"""The weights in a bundle's ONNX graph: stored in half the space, widened again, shuffled."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from interpret.model.onnx_graph import model_bytes, unused_name

_LARGE = 4096  # a filter of so many entries or more is stored in half precision


def halved(model: bytes) -> bytes:
    """The model with its convolutions' filters stored in half precision: half the file.

    A cast widens them when the model is loaded, so everything is computed in single precision. The
    part after the pooling keeps single precision: distances and evidence need every digit.
    """
    proto = onnx.load_from_string(model)
    graph, casts = proto.graph, []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim != 4 or values.size < _LARGE:
            continue
        name, stored = tensor.name, unused_name(graph, f"{tensor.name}.half")
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model_bytes(proto)


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
    return model_bytes(proto)


def shuffled(model: bytes, seed: int) -> bytes:
    """The model with the entries of every weight permuted: its numbers stay, it knows nothing."""
    proto = onnx.load_from_string(model)
    generator = np.random.default_rng(seed)
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype in (np.float32, np.float16) and values.ndim >= 2:
            mixed = generator.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(mixed, tensor.name))
    return model_bytes(proto)
