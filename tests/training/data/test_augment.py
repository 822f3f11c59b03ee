import pytest
import torch

from training.data.augment import Augmentation
from training.data.cutmix import Box, draw_box, mix

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
    augment = Augmentation(16, flip=True, strong=True)
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


@pytest.mark.parametrize("kind", [None, "resized", "strong"])
def test_shapes_range_and_determinism(kind: str | None):
    augment = Augmentation(12 if kind else 16, flip=True, **({kind: True} if kind else {}))
    numbers = augment.draw(2, torch.Generator().manual_seed(0))
    out = augment(PIXELS, numbers)
    assert out.shape == (2, 3, augment.size, augment.size)
    assert out.min() >= 0
    assert out.max() <= 255
    assert torch.equal(out, augment(PIXELS, numbers))


def test_cutmix_takes_a_box_from_the_picture_before():
    pixels = torch.arange(4, dtype=torch.float32).view(4, 1, 1, 1).expand(4, 3, 8, 8)
    labels = torch.arange(4)
    box = Box(top=2, bottom=8, left=0, right=4)
    mixed, others = mix(pixels, labels, box)
    assert others.tolist() == [3, 0, 1, 2]
    assert box.share(8) == 1 - 24 / 64
    assert (mixed[:, :, 2:, :4] == others.view(4, 1, 1, 1)).all()
    assert (mixed[:, :, :2] == pixels[:, :, :2]).all()
    assert (mixed[:, :, :, 4:] == pixels[:, :, :, 4:]).all()


def test_boxes_depend_on_the_step_alone_and_come_as_often_as_asked():
    boxes = [draw_box(0.5, 32, 0, 0, step) for step in range(1000)]
    assert boxes == [draw_box(0.5, 32, 0, 0, step) for step in range(1000)]
    drawn = [box for box in boxes if box is not None]
    assert 450 < len(drawn) < 550
    assert all(0 <= b.top <= b.bottom <= 32 and 0 <= b.left <= b.right <= 32 for b in drawn)
    assert min(box.share(32) for box in drawn) < 0.2 < 0.9 < max(box.share(32) for box in drawn)
