"""Which activation maps of a bundle's ONNX graph novelty is measured on."""

from __future__ import annotations

from itertools import count, takewhile
from typing import NamedTuple

import onnx

from interpret.model.onnx_graph import needed_nodes
from interpret.model.onnx_projection import projection_in

_ACTIVATIONS = ("Relu", "LeakyRelu", "Clip", "HardSwish", "Gelu", "Elu")
_EARLY = 4  # the side of an early map is at most that of what the network sees, divided by this


class PooledMaps(NamedTuple):
    """Maps at the end of a network, as tensors (N, C, h, w)."""

    last: str  # that are averaged over the picture
    previous: list[str]  # that the last convolution, on each path through the network, reads


def pooled_maps(graph: onnx.GraphProto) -> PooledMaps | None:
    """The maps that a network pools at its end; None for one that does not, or has no convolution
    before them.
    """
    last = projection_in(graph).maps
    if last is None:
        return None
    makers = {output: node for node in graph.node for output in node.output}
    waiting, convolutions, seen = [last], [], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.output[0] in seen:
            continue
        seen.add(node.output[0])
        if node.op_type == "Conv":
            convolutions.append(node)
        else:
            waiting += node.input
    # A shortcut leads past the last convolution to earlier ones.
    before = {
        output
        for node in convolutions
        for each in needed_nodes(graph, [node.input[0]])
        for output in each.output
    }
    previous = [node.input[0] for node in convolutions if node.output[0] not in before]
    return PooledMaps(last, sorted(set(previous))) if previous else None


def early_maps(proto: onnx.ModelProto) -> list[str]:
    """The maps that an earlier novelty was measured on; without one, the first small ones."""
    # INT8 takes activations into the convolutions: what was found before is not found again.
    makers = {node.output[0]: node for node in proto.graph.node}
    names = takewhile(makers.__contains__, map(mean_of_map, count()))
    if earlier := [makers[name].input[0] for name in names]:
        return earlier
    graph = onnx.shape_inference.infer_shapes(proto).graph
    sides = {}
    for value in graph.value_info:
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 4:
            sides[value.name] = (dims[2].dim_value, dims[3].dim_value)
    pixels = next(i for i in graph.input if i.name == "pixels")
    side = pixels.type.tensor_type.shape.dim[1].dim_value
    # A network may enlarge the picture first.
    largest = max(side, *map(max, sides.values()), 0) // _EARLY
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


def mean_of_map(number: int) -> str:
    """The tensor with the means of an early map; by it the map is found again."""
    return f"novelty.mean_{number}"
