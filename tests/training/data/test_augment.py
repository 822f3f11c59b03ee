from typing import Any

import pytest
import torch

from training.data.augment import Augmentation, generator

PIXELS = torch.arange(2 * 3 * 16 * 16, dtype=torch.uint8).reshape(2, 3, 16, 16)
CENTRE = torch.tensor([[0.5, 0.5, 0.9, 0.5, 0.5]] * 2)


def test_centred_crop_is_the_picture_itself():
    assert torch.equal(Augmentation(16, flip=True)(PIXELS, CENTRE), PIXELS)


def test_flip_mirrors_columns_only_when_drawn():
    numbers = CENTRE.clone()
    numbers[0, 2] = 0.1
    out = Augmentation(16, flip=True)(PIXELS, numbers)
    assert torch.equal(out[0], PIXELS[0].flip(2))
    assert torch.equal(out[1], PIXELS[1])
    assert torch.equal(Augmentation(16, flip=False)(PIXELS, numbers), PIXELS)


def test_crop_shifts_by_up_to_an_eighth_and_reflects_the_border():
    numbers = CENTRE.clone()
    numbers[:, 0] = 0.0  # two rows up
    out = Augmentation(16, flip=False)(PIXELS, numbers)
    assert torch.equal(out[:, :, 2:], PIXELS[:, :, :-2])
    assert torch.equal(out[:, :, 0], PIXELS[:, :, 2])
    assert torch.equal(out[:, :, 1], PIXELS[:, :, 1])


def test_whole_resized_crop_is_a_plain_resize():
    numbers = torch.tensor([[1.0, 0.5, 0.9, 0.5, 0.5]] * 2)
    out = Augmentation(16, flip=True, resized=True)(PIXELS, numbers)
    torch.testing.assert_close(out, PIXELS.float(), atol=1e-3, rtol=0)


def test_strong_changes_colours_and_cuts_a_hole():
    coloured = torch.stack([PIXELS[:, 0], 255 - PIXELS[:, 0], PIXELS[:, 0] // 2], 1)
    numbers = torch.tensor([[1.0, 0.5, 0.9, 0.5, 0.5] + [0.5] * 3 + [0.0, 0.99]] * 2)
    augment = Augmentation(16, flip=True, kind="strong")
    out = augment(coloured, numbers)
    hole = out[:, :, :4, 12:]
    assert torch.equal(hole, hole[:, :, :1, :1].expand_as(hole))
    torch.testing.assert_close(out[:, :, 4:], coloured[:, :, 4:].float(), atol=1e-3, rtol=0)
    torch.testing.assert_close(out[:, :, :, :12], coloured[..., :12].float(), atol=1e-3, rtol=0)
    numbers[0, 7] = 0.0  # darkest
    numbers[1, 6] = 0.0  # least saturated
    darker, greyer = augment(coloured, numbers)[:, :, 4:]
    torch.testing.assert_close(darker, 0.6 * coloured[0, :, 4:].float(), atol=1e-3, rtol=0)
    torch.testing.assert_close(greyer.mean(0), coloured[1, :, 4:].float().mean(0))
    assert greyer.std(0).mean() < coloured[1, :, 4:].float().std(0).mean()


def test_cutout_is_the_crop_with_a_hole_of_the_mean_colour():
    numbers = torch.cat([CENTRE, torch.tensor([[0.0, 0.99]] * 2)], 1)
    out = Augmentation(16, flip=True, kind="cutout")(PIXELS, numbers)
    hole = out[:, :, :6, 10:]
    torch.testing.assert_close(
        hole, PIXELS.float().mean((2, 3), keepdim=True).expand_as(hole), atol=0, rtol=0
    )
    assert torch.equal(out[:, :, 6:], PIXELS[:, :, 6:].float())
    assert torch.equal(out[..., :10], PIXELS[..., :10].float())


@pytest.mark.parametrize(
    "options", [{"size": 16}, {"resized": True}, {"kind": "strong"}, {"size": 16, "kind": "cutout"}]
)
def test_shapes_range_and_determinism(options: dict[str, Any]):
    augment = Augmentation(**({"size": 12, "flip": True} | options))
    numbers = augment.draw(2, torch.Generator().manual_seed(0))
    out = augment(PIXELS, numbers)
    assert out.shape == (2, 3, augment.size, augment.size)
    assert out.min() >= 0
    assert out.max() <= 255
    assert torch.equal(out, augment(PIXELS, numbers))


def test_generators_depend_on_the_whole_key():
    draws = [torch.rand(1, generator=generator(*key)).item() for key in [(0, 1), (1, 0), (0, 1, 0)]]
    assert len(set(draws)) == 3
    assert draws[0] == torch.rand(1, generator=generator(0, 1)).item()


def test_whole_pictures_are_resized_and_nothing_else():
    augment = Augmentation(8, flip=True, kind="strong")
    pixels = torch.tensor([[10.0, 30.0], [50.0, 70.0]]).repeat_interleave(8, 0)
    pixels = pixels.repeat_interleave(8, 1).expand(1, 3, 16, 16)
    half = augment.whole(pixels.to(torch.uint8))
    corners = [half[0, 0, row, col].item() for row, col in ((0, 0), (0, 7), (7, 0), (7, 7))]
    assert corners == pytest.approx([10, 30, 50, 70])
    assert augment.whole(half) is half
