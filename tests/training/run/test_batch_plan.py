import pytest
import torch

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.augment import Augmentation, generator
from training.run.batch_plan import Plan
from training.run.schedules import factor


def plan(processes: int = 1, process: int = 0, **options) -> Plan:
    config = TrainConfig.of(data="digits", batch_size=12, seed=3, **options)
    return Plan.of(config, 100, processes, process)


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
    small = Plan.of(TrainConfig.of(data="digits", batch_size=64), 10, 1, 0)
    assert (small.steps, small.batch) == (1, 10)


def test_a_batch_that_cannot_be_shared_is_an_error():
    with pytest.raises(ConfigError, match=r"--batch-size 12: .* 5 processes"):
        plan(processes=5)


def test_generators_depend_on_the_whole_key():
    draws = [torch.rand(1, generator=generator(*key)).item() for key in [(0, 1), (1, 0), (0, 1, 0)]]
    assert len(set(draws)) == 3
    assert draws[0] == torch.rand(1, generator=generator(0, 1)).item()


def test_counts_are_of_the_whole_step():
    labels = torch.arange(100) % 4
    counts = plan(processes=2, process=1, accumulate=3).counts(5, labels, 4)
    for step, rows in enumerate(plan().rows(epoch=5)):
        assert counts[step].tolist() == torch.bincount(labels[rows], minlength=4).tolist()
    assert counts.sum() == 8 * 12


def test_late_step_drops_at_half_and_three_quarters_and_a_warm_up_is_at_full_rate():
    """The paper's flowers: the first of the three drops removed."""
    rates = [factor("late-step", epoch * 10, 10, 160) for epoch in (0, 40, 79, 80, 119, 120, 159)]
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert [factor(name, -1, 10, 160) for name in ("onecycle", "step", "late-step")] == [1, 1, 1]


def test_step_schedule_is_the_papers():
    """÷10 at 25 %, 50 % and 75 % of 200 epochs."""
    values = [factor("step", epoch * 7, 7, 200) for epoch in (0, 49, 50, 99, 100, 149, 150, 199)]
    assert values == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_onecycle_rises_and_falls():
    values = [factor("onecycle", step, 10, 10) for step in range(100)]
    assert values[0] == pytest.approx(0.1)
    assert max(values) == pytest.approx(1.0)
    assert values.index(max(values)) == 20
    assert values[-1] < 0.001
