"""Parts of every change of an ONNX graph: the nodes that are needed, a free name, the check."""

from __future__ import annotations

from collections.abc import Iterable

import onnx


def needed_nodes(graph: onnx.GraphProto, outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that `outputs` depend on, in the graph's order."""
    wanted, kept = set(outputs), []
    for node in reversed(graph.node):  # the order is topological: a node comes after its inputs
        if wanted & set(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def unused_name(graph: onnx.GraphProto, name: str) -> str:
    """`name`, with underscores where the graph has another thing of that name."""
    taken = {t.name for t in graph.initializer} | {o for node in graph.node for o in node.output}
    while name in taken:
        name += "_"
    return name


def model_bytes(proto: onnx.ModelProto) -> bytes:
    """The model as bytes; raises onnx.checker.ValidationError for one that is malformed."""
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString()
    return content
