import pytest
import torch

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.augment import Augmentation
from training.run.batch_plan import BatchPlan


def plan(processes: int = 1, process: int = 0, **options) -> BatchPlan:
    config = TrainConfig.of(data="digits", batch_size=12, seed=3, **options)
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
    whole = plan().numbers(augment, 5, 2)
    parts = [plan(2, p).numbers(augment, 5, 2) for p in range(2)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(whole, plan().numbers(augment, 5, 3))
    assert not torch.equal(whole, plan().numbers(augment, 6, 2))


def test_an_epoch_shows_each_picture_at_most_once():
    rows = torch.cat(plan().rows(0))
    assert len(rows) == 96
    assert len(rows.unique()) == 96
    assert not torch.equal(rows, torch.cat(plan().rows(1)))


def test_fewer_pictures_than_a_batch_make_one_step():
    small = BatchPlan.of(TrainConfig.of(data="digits", batch_size=64), 10, 1, 0)
    assert (small.steps, small.batch) == (1, 10)


def test_a_batch_that_cannot_be_shared_is_an_error():
    with pytest.raises(ConfigError, match=r"--batch-size 12: .* 5 processes"):
        plan(processes=5)


def test_counts_are_of_the_whole_step():
    labels = torch.arange(100) % 4
    counts = plan(processes=2, process=1, accumulate=3).counts(5, labels, 4)
    for step, rows in enumerate(plan().rows(epoch=5)):
        assert counts[step].tolist() == torch.bincount(labels[rows], minlength=4).tolist()
    assert counts.sum() == 8 * 12
