import pytest
import torch

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.augment import Augmentation
from training.run.batch_plan import BatchPlan


def plan(processes: int = 1, process: int = 0, **options) -> BatchPlan:
    config = TrainConfig.of(data="digits", batch_size=36, seed=3, **options)
    return BatchPlan.of(config, 100, processes, process)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("processes", [1, 2])
def test_any_cut_of_a_step_holds_the_same_pictures(processes: int, accumulate: int):
    whole = plan().rows(epoch=5)
    cut = [plan(processes, p, accumulate=accumulate).rows(5) for p in range(processes)]
    for step, rows in enumerate(whole):
        turns = [
            cut[p][step * accumulate + turn] for turn in range(accumulate) for p in range(processes)
        ]
        assert torch.equal(torch.cat(turns), rows)


def test_random_numbers_follow_the_pictures():
    augment = Augmentation(8, flip=True)
    whole = plan().numbers(augment, 5, 1)
    parts = [plan(2, p).numbers(augment, 5, 1) for p in range(2)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(whole, plan().numbers(augment, 5, 0))
    assert not torch.equal(whole, plan().numbers(augment, 6, 1))


def test_an_epoch_shows_each_picture_at_most_once():
    rows = torch.cat(plan().rows(0))
    assert len(rows) == len(rows.unique()) == 100
    assert not torch.equal(rows, torch.cat(plan().rows(1)))


@pytest.mark.parametrize(
    ("processes", "accumulate", "steps", "pictures"),
    [(1, 1, 3, 100), (2, 1, 3, 100), (1, 3, 3, 100), (2, 9, 2, 72)],
)
def test_the_last_batch_is_kept_where_each_part_gets_two_pictures(
    processes: int, accumulate: int, steps: int, pictures: int
):
    found = plan(processes, accumulate=accumulate)
    assert (found.steps, found.pictures) == (steps, pictures)
    augment = Augmentation(8, flip=True)
    rows = found.rows(0)
    assert len(rows) == steps * accumulate
    for i, own in enumerate(rows):
        assert len(found.numbers(augment, 0, i)) == len(own) > 1


def test_the_parts_of_a_smaller_last_batch_weigh_what_they_hold():
    """16 pictures in 7 parts are 2 or 3 each; a part of 3 has 3 · 7 / 16 of the mean part's
    weight, so that the mean over the parts is the mean over the pictures.
    """
    found = BatchPlan.of(TrainConfig.of(data="digits", batch_size=28, accumulate=7), 100, 1, 0)
    sizes = [len(rows) for rows in found.rows(0)[-7:]]
    assert sorted(sizes) == [2, 2, 2, 2, 2, 3, 3]
    assert [found.weight(21 + i) for i in range(7)] == [size * 7 / 16 for size in sizes]
    assert found.weight(0) == 1.0


def test_an_epoch_is_never_a_single_step():
    small = BatchPlan.of(TrainConfig.of(data="digits", batch_size=64), 10, 1, 0)
    assert (small.steps, small.batch) == (2, 5)


def test_a_batch_that_cannot_be_shared_is_an_error():
    with pytest.raises(ConfigError, match=r"--batch-size 36: .* 5 processes"):
        plan(processes=5)


def test_counts_are_of_the_whole_step():
    labels = torch.arange(100) % 4
    counts = plan(processes=2, process=1, accumulate=3).counts(5, labels, 4)
    for step, rows in enumerate(plan().rows(epoch=5)):
        assert counts[step].tolist() == torch.bincount(labels[rows], minlength=4).tolist()
    assert counts.sum() == 100
