"""The quick gradients of depthwise convolutions are PyTorch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from training.model.depthwise import QuickDepthwise

CASES = [  # kernel, stride, padding
    ((3, 3), 1, 1),
    ((3, 3), 2, 1),
    ((5, 5), 1, 2),
    ((5, 5), 2, 2),
    ((5, 5), (2, 1), 0),
    ((7, 7), 1, 3),
    ((7, 7), 3, (3, 2)),
    ((1, 9), 2, (0, 4)),
]


def gradients(pixels: Tensor, weight: Tensor, bias: Tensor | None, *how: object) -> list[Tensor]:
    leaves = [t.clone().requires_grad_() for t in (pixels, weight, bias) if t is not None]
    result = F.conv2d(leaves[0], leaves[1], *(leaves[2:] or [None]), *how, 1, len(weight))
    result.mul(torch.arange(result.numel()).view_as(result).sin()).sum().backward()
    return [result, *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), CASES)
@pytest.mark.parametrize("side", [16, 17])
def test_results_and_gradients_are_the_same(
    kernel: tuple[int, int], stride: object, padding: object, bias: bool, side: int
):
    random = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 6, side, side, generator=random)
    weight = torch.randn(6, 1, *kernel, generator=random)
    shift = torch.randn(6, generator=random) if bias else None
    expected = gradients(pixels, weight, shift, stride, padding)
    with QuickDepthwise():
        found = gradients(pixels, weight, shift, stride, padding)
    assert "Depthwise" in type(found[0].grad_fn).__name__
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_autocast_computes_in_bf16_and_gives_gradients_in_fp32():
    pixels, weight = torch.randn(2, 8, 9, 9), torch.randn(8, 1, 5, 5)
    expected = gradients(pixels, weight, None, 2, 2)
    with QuickDepthwise(), torch.autocast("cpu", torch.bfloat16):
        found = gradients(pixels, weight, None, 2, 2)
    assert [t.dtype for t in found] == [torch.bfloat16, torch.float32, torch.float32]
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).abs().max() < 0.02 * theirs.abs().max()


@pytest.mark.parametrize(
    ("groups", "dilation"),
    [(1, 1), (2, 1), (4, 2)],  # ordinary, grouped, dilated
)
def test_other_convolutions_are_left_as_they_are(groups: int, dilation: int):
    weight = torch.randn(4, 4 // groups, 3, 3, requires_grad=True)
    with QuickDepthwise():
        result = F.conv2d(torch.randn(1, 4, 9, 9), weight, None, 1, 1, dilation, groups)
    assert "Depthwise" not in type(result.grad_fn).__name__
