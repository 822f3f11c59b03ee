"""The ONNX graph of a bundle: what its embedding depends on, and a new end for it."""

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
