import pytest
import torch

from training.data.cutmix import Box, cut_and_mix, draw_box, mixed_terms, probability


def test_cutmix_takes_a_box_from_the_picture_before():
    pixels = torch.arange(4, dtype=torch.float32).view(4, 1, 1, 1).expand(4, 3, 8, 8)
    labels = torch.arange(4)
    box = Box(top=2, bottom=8, left=0, right=4)
    mixed, others = cut_and_mix(pixels, labels, box)
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


def test_nothing_is_mixed_at_probability_zero():
    assert [draw_box(0.0, 32, 0, 0, step) for step in range(20)] == [None] * 20


def test_the_last_epochs_see_whole_pictures():
    """15 % of 20 epochs after 2 of warm-up: epochs 19, 20 and 21, counted from 0."""
    shares = [probability(0.7, epoch, 2, 20) for epoch in range(22)]
    assert shares == [0.7] * 19 + [0.0] * 3


def test_mixed_terms_by_hand():
    terms = {"loss": torch.tensor(4.0), "positive": torch.tensor(1.0)}
    others = {"loss": torch.tensor(8.0), "positive": torch.tensor(0.0)}
    mixed = mixed_terms(terms, others, share=0.75)
    assert {name: term.item() for name, term in mixed.items()} == pytest.approx(
        {"loss": 5.0, "positive": 0.75}
    )
