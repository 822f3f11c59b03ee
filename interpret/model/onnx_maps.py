"""Which activation maps of a bundle's ONNX graph novelty is measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count, takewhile
from typing import NamedTuple

import onnx

from interpret.model.onnx_graph import needed_nodes
from interpret.model.onnx_projection import projection_in

_ACTIVATIONS = ("Relu", "LeakyRelu", "Clip", "HardSwish", "Gelu", "Elu")
_EARLY = 4  # the side of an early map is at most that of what the network sees, divided by this
_UNKNOWN = (0, 0, 0, 0)


class LateMaps(NamedTuple):
    """Maps at the end of a network, as tensors (N, C, h, w); several, on several paths."""

    last: str  # that are averaged over the picture
    previous: list[str]  # that the last convolution reads
    narrow: list[str]  # further back, of the same size and with fewer channels; may be empty


def late_maps(proto: onnx.ModelProto) -> LateMaps | None:
    """The last maps of a network; None for one that does not pool maps at its end, or has no
    convolution before them.

    Many networks carry what they know of a picture from block to block in few channels, and
    spread it over many within a block. `narrow` are the latest such maps: the fewest channels, in
    all, that convolutions read, where these are fewer than those of `last` and of `previous`.
    """
    last = projection_in(proto.graph).maps
    if last is None or not (previous := _read_for(proto.graph, [last])):
        return None
    shapes = _shapes(onnx.shape_inference.infer_shapes(proto).graph)
    size = shapes.get(last, _UNKNOWN)[2:]
    width, maps = min(_width([last], shapes), _width(previous, shapes)), previous
    found: list[str] = []
    while maps and all(size) and all(shapes.get(each, _UNKNOWN)[2:] == size for each in maps):
        if _width(maps, shapes) < width:
            found, width = maps, _width(maps, shapes)
        maps = _read_for(proto.graph, maps)
    return LateMaps(last, previous, found)


def _read_for(graph: onnx.GraphProto, maps: Sequence[str]) -> list[str]:
    """The maps that the last convolution before these, on each path through the network, reads."""
    makers = {output: node for node in graph.node for output in node.output}
    waiting, convolutions, seen = list(maps), [], set()
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
    return sorted({node.input[0] for node in convolutions if node.output[0] not in before})


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, int, int, int]]:
    """The shapes of a graph's maps; 0 for what is not known."""
    found = {}
    for value in graph.value_info:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(dims) == len(_UNKNOWN):
            found[value.name] = (dims[0], dims[1], dims[2], dims[3])
    return found


def _width(maps: Sequence[str], shapes: Mapping[str, tuple[int, int, int, int]]) -> int:
    return sum(shapes.get(name, _UNKNOWN)[1] for name in maps)


def early_maps(proto: onnx.ModelProto) -> list[str]:
    """The maps that an earlier novelty was measured on; without one, the first small ones."""
    # INT8 takes activations into the convolutions: what was found before is not found again.
    makers = {node.output[0]: node for node in proto.graph.node}
    names = takewhile(makers.__contains__, map(mean_of_map, count()))
    if earlier := [makers[name].input[0] for name in names]:
        return earlier
    graph = onnx.shape_inference.infer_shapes(proto).graph
    sides = {name: shape[2:] for name, shape in _shapes(graph).items()}
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
