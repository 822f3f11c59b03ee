"""The exported network in torch, rebuilt from the nodes of model.onnx: it is differentiable.

Nothing stored in the file is executed. Each node that the embedding depends on becomes a module of
its own: Captum needs every ReLU to be a module that is used once, and the layer before the pooling
as a module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx
from onnx import numpy_helper

from interpret.bundle.errors import BundleError
from interpret.bundle.missing_parts import named_parts
from interpret.model.onnx_graph import needed_nodes

with named_parts():
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn

Attributes = dict[str, Any]
Operation = Callable[[Attributes, Sequence[Tensor]], Tensor | tuple[Tensor, ...]]


class TorchNetwork(nn.Module):
    """Pixels (N, 3, S, S), float in [0, 255], to embeddings (N, d).

    `pooled` is the module whose output is averaged over the locations, None in a network without
    such pooling. Raises BundleError for an operation that has no counterpart here.
    """

    def __init__(self, model: onnx.ModelProto, source: str) -> None:
        super().__init__()
        graph = model.graph
        nodes = needed_nodes(graph, ["embedding"])
        used = {name for node in nodes for name in node.input}
        self._constants = {}
        for number, tensor in enumerate(graph.initializer):
            if tensor.name in used:
                self._constants[tensor.name] = f"constant_{number}"
                value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
                self.register_buffer(f"constant_{number}", value)
        for node in nodes:
            if node.op_type not in _OPERATIONS and node.op_type != "Relu":
                raise BundleError(f"{source}: torch has no counterpart for {node.op_type} here")
        self.steps = nn.ModuleList(
            nn.ReLU() if node.op_type == "Relu" else _Step(node) for node in nodes
        )
        self._wiring = [(list(node.input), list(node.output)) for node in nodes]
        self.pooled = self._before_pooling(nodes)

    def forward(self, pixels: Tensor) -> Tensor:
        """The embeddings (N, d) of pixels (N, 3, S, S)."""
        values = {name: getattr(self, buffer) for name, buffer in self._constants.items()}
        values["pixels"] = pixels.permute(0, 2, 3, 1)
        for step, (inputs, outputs) in zip(self.steps, self._wiring, strict=True):
            made = step(*[values[name] for name in inputs if name])
            many = made if isinstance(made, tuple) else (made,)
            values.update(zip(outputs, many, strict=True))
        embedding: Tensor = values["embedding"]
        return embedding

    def _before_pooling(self, nodes: Sequence[onnx.NodeProto]) -> nn.Module | None:
        made_by = {node.output[0]: number for number, node in enumerate(nodes)}
        for node in reversed(nodes):
            if node.op_type in ("ReduceMean", "GlobalAveragePool") and node.input[0] in made_by:
                return self.steps[made_by[node.input[0]]]
        return None


class _Step(nn.Module):
    """One node of the graph."""

    def __init__(self, node: onnx.NodeProto) -> None:
        super().__init__()
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        self.operation = _OPERATIONS[node.op_type]

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.operation(self.attributes, inputs)


def _padded(a: Attributes, x: Tensor, value: float = 0.0) -> Tensor:
    """`x` padded. ONNX lists all starts, then all ends; torch a pair for each axis, last first."""
    pads = a.get("pads") or [0] * (2 * (x.ndim - 2))
    half = len(pads) // 2
    flat = [p for axis in reversed(range(half)) for p in (pads[axis], pads[axis + half])]
    return F.pad(x, flat, value=value) if any(flat) else x


def _conv(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    options = {"stride": a.get("strides", 1), "dilation": a.get("dilations", 1)}
    bias = v[2] if len(v) > 2 else None
    return F.conv2d(_padded(a, v[0]), v[1], bias, groups=a.get("group", 1), **options)


def _max_pool(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    return F.max_pool2d(
        _padded(a, v[0], -torch.inf),
        a["kernel_shape"],
        a.get("strides", 1),
        dilation=a.get("dilations", 1),
        ceil_mode=bool(a.get("ceil_mode", 0)),
    )


def _average_pool(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    pads = a.get("pads") or [0, 0, 0, 0]
    return F.avg_pool2d(
        v[0],
        a["kernel_shape"],
        a.get("strides", 1),
        pads[:2],
        bool(a.get("ceil_mode", 0)),
        bool(a.get("count_include_pad", 0)),
    )


def _gemm(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    left = v[0].T if a.get("transA") else v[0]
    right = v[1].T if a.get("transB") else v[1]
    product: Tensor = a.get("alpha", 1.0) * (left @ right)
    if len(v) > 2:
        product = product + a.get("beta", 1.0) * v[2]
    return product


def _mean(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    axes = v[1].tolist() if len(v) > 1 else a.get("axes", list(range(v[0].ndim)))
    return v[0].mean(axes, keepdim=bool(a.get("keepdims", 1)))


def _reshape(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    shape = v[1].tolist()
    if not a.get("allowzero"):
        shape = [v[0].shape[i] if side == 0 else side for i, side in enumerate(shape)]
    return v[0].reshape(shape)


def _unsqueeze(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    result = v[0]
    for axis in sorted(v[1].tolist()):
        result = result.unsqueeze(axis)
    return result


def _gather(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    axis, index = a.get("axis", 0), v[1]
    taken = v[0].index_select(axis, index.reshape(-1) % v[0].shape[axis])
    shape = v[0].shape
    return taken.reshape([*shape[:axis], *index.shape, *shape[axis:][1:]])


def _split(a: Attributes, v: Sequence[Tensor]) -> tuple[Tensor, ...]:
    axis = a.get("axis", 0)
    if len(v) > 1:
        return torch.split_with_sizes(v[0], v[1].tolist(), axis)
    return v[0].chunk(a["num_outputs"], axis)


def _slice(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    starts, ends = v[1].tolist(), v[2].tolist()
    axes = v[3].tolist() if len(v) > 3 else range(len(starts))
    steps = v[4].tolist() if len(v) > 4 else [1] * len(starts)
    cut = [slice(None)] * v[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return v[0][tuple(cut)]


def _layer_norm(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    shape = v[0].shape[a.get("axis", -1) :]
    return F.layer_norm(v[0], shape, v[1], v[2] if len(v) > 2 else None, a.get("epsilon", 1e-5))


def _batch_norm(a: Attributes, v: Sequence[Tensor]) -> Tensor:
    return F.batch_norm(v[0], v[3], v[4], v[1], v[2], eps=a.get("epsilon", 1e-5))


# The operations that the exporter writes for torchvision's classifiers. Relu is nn.ReLU.
_OPERATIONS: dict[str, Operation] = {
    "Add": lambda a, v: v[0] + v[1],
    "Sub": lambda a, v: v[0] - v[1],
    "Mul": lambda a, v: v[0] * v[1],
    "Div": lambda a, v: v[0] / v[1],
    "Pow": lambda a, v: v[0] ** v[1],
    "Sqrt": lambda a, v: v[0].sqrt(),
    "Erf": lambda a, v: v[0].erf(),
    "Exp": lambda a, v: v[0].exp(),
    "Tanh": lambda a, v: v[0].tanh(),
    "Sigmoid": lambda a, v: v[0].sigmoid(),
    "HardSigmoid": lambda a, v: (a.get("alpha", 0.2) * v[0] + a.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": lambda a, v: F.hardswish(v[0]),
    "Gelu": lambda a, v: F.gelu(v[0], approximate=a.get("approximate", b"none").decode()),
    "Clip": lambda a, v: v[0].clamp(*v[1:3]),
    "Softmax": lambda a, v: v[0].softmax(a.get("axis", -1)),
    "MatMul": lambda a, v: v[0] @ v[1],
    "Gemm": _gemm,
    "Conv": _conv,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda a, v: v[0].mean((2, 3), keepdim=True),
    "ReduceMean": _mean,
    "LayerNormalization": _layer_norm,
    "BatchNormalization": _batch_norm,
    "Transpose": lambda a, v: v[0].permute(a["perm"]),
    "Reshape": _reshape,
    "Flatten": lambda a, v: v[0].flatten(a.get("axis", 1)),
    "Squeeze": lambda a, v: v[0].squeeze(v[1].tolist()) if len(v) > 1 else v[0].squeeze(),
    "Unsqueeze": _unsqueeze,
    "Concat": lambda a, v: torch.cat(list(v), a["axis"]),
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Range": lambda a, v: torch.arange(*[bound.item() for bound in v]),
    "Expand": lambda a, v: v[0] * torch.ones(v[1].tolist(), dtype=v[0].dtype),
    "Shape": lambda a, v: torch.tensor(v[0].shape)[a.get("start", 0) : a.get("end")],
    "Identity": lambda a, v: v[0],
    # The one cast is that of the pixels, which are float here so that they have a gradient.
    "Cast": lambda a, v: v[0].float() if a["to"] == onnx.TensorProto.FLOAT else v[0].long(),
}
