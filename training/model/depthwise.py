"""Gradients of depthwise convolutions on a CPU, from operations that are quick there.

oneDNN takes some thirty times as long for the gradient of a strided depthwise convolution as for
the convolution, and as long for the weights' gradient of one of 5×5 pixels. In an EfficientNet that
is more than half of a training step. Both gradients are convolutions as well: see `_Depthwise`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_CONV2D = torch.conv2d
_QUICK_KERNEL = 3  # pixels: the weights' gradient of larger ones is put together from such


class QuickDepthwise(TorchFunctionMode):
    """In this context `conv2d` of a depthwise convolution on the CPU has the quick gradients. The
    results are those of PyTorch but for rounding.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Called for each function of torch instead of it."""
        kwargs = kwargs or {}
        if func is not _CONV2D or kwargs or len(args) != 7:
            return func(*args, **kwargs)
        x, weight, bias, stride, padding, dilation, groups = args
        if not _is_quick(x, weight, padding, dilation, groups):
            return func(*args)
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            x, weight = x.to(dtype), weight.to(dtype)
            bias = None if bias is None else bias.to(dtype)
        with torch.autocast("cpu", enabled=False):
            return _Depthwise.apply(x, weight, bias, _pair(stride), _pair(padding))


def _is_quick(x: Tensor, weight: Tensor, padding: Any, dilation: Any, groups: int) -> bool:
    slow = torch.is_grad_enabled() and x.device.type == "cpu" and groups > 1
    same = tuple(weight.shape[:2]) == (groups, 1) and x.ndim == 4 and x.shape[1] == groups
    return slow and same and not isinstance(padding, str) and _pair(dilation) == (1, 1)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value * 2 if len(value) == 1 else value)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.with_bias = stride, padding, bias is not None
        return F.conv2d(x, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _of_input(gradient, x, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(gradient, x, weight, ctx.stride, ctx.padding)
        if ctx.with_bias and ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weight, of_bias, None, None


def _of_input(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """The gradient with respect to x: the output's gradient, with zeros between its pixels where
    the stride skipped some, convolved with the mirrored weights.
    """
    kernel = tuple(weight.shape[2:])
    if stride != (1, 1):
        rows, cols = (x.shape[2 + i] + 2 * padding[i] - kernel[i] + 1 for i in (0, 1))
        spread = gradient.new_zeros((*gradient.shape[:2], rows, cols)).contiguous(
            memory_format=torch.channels_last
        )
        spread[:, :, :: stride[0], :: stride[1]] = gradient
        gradient = spread
    border = (kernel[0] - 1 - padding[0], kernel[1] - 1 - padding[1])
    return F.conv2d(gradient, weight.flip(2, 3), padding=border, groups=len(weight))


def _of_weight(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """The gradient with respect to the weights. That of a part of the kernel is the gradient of a
    smaller convolution, which sees the picture moved.
    """
    rows, cols = weight.shape[2:]
    if rows <= _QUICK_KERNEL and cols <= _QUICK_KERNEL:
        return _weight_part(gradient, x, weight, stride, padding)
    padded = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    found = torch.empty_like(weight)
    for top in _starts(rows):
        for left in _starts(cols):
            part = weight[:, :, top : top + _QUICK_KERNEL, left : left + _QUICK_KERNEL]
            height, width = (
                (gradient.shape[2 + i] - 1) * stride[i] + part.shape[2 + i] for i in (0, 1)
            )
            seen = padded[:, :, top : top + height, left : left + width]
            found[:, :, top : top + part.shape[2], left : left + part.shape[3]] = _weight_part(
                gradient, seen, part, stride, (0, 0)
            )
    return found


def _starts(length: int) -> range | list[int]:
    """Where parts of _QUICK_KERNEL that cover `length` start; the last two may overlap."""
    if length <= _QUICK_KERNEL:
        return [0]
    return [*range(0, length - _QUICK_KERNEL, _QUICK_KERNEL), length - _QUICK_KERNEL]


def _weight_part(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    _, found, _ = torch.ops.aten.convolution_backward(
        gradient,
        x.contiguous(memory_format=torch.channels_last),
        weight.contiguous(memory_format=torch.channels_last),
        None,
        stride,
        padding,
        (1, 1),
        False,
        (0, 0),
        len(weight),
        [False, True, False],
    )
    result: Tensor = found
    return result
