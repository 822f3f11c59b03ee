import pytest

from training.run.schedules import lambda_pos_at, rate_factor


def test_step_schedule_is_the_papers():
    """÷10 at 25 %, 50 % and 75 % of 200 epochs."""
    epochs = (0, 49, 50, 99, 100, 149, 150, 199)
    values = [rate_factor("step", epoch * 7, 7, 200) for epoch in epochs]
    assert values == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_late_step_drops_at_half_and_three_quarters():
    """The paper's flowers: the first of the three drops removed."""
    epochs = (0, 40, 79, 80, 119, 120, 159)
    rates = [rate_factor("late-step", epoch * 10, 10, 160) for epoch in epochs]
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("schedule", ["onecycle", "step", "late-step"])
def test_a_warm_up_is_at_the_initial_rate(schedule: str):
    assert rate_factor(schedule, -1, 10, 160) == 1.0


def test_onecycle_rises_and_falls():
    values = [rate_factor("onecycle", step, 10, 10) for step in range(100)]
    assert values[0] == pytest.approx(0.1)
    assert values[10] == pytest.approx(0.55)
    assert max(values) == pytest.approx(1.0)
    assert values.index(max(values)) == 20
    assert values[60] == pytest.approx(0.5)
    assert values[-1] < 0.001


def test_lambda_pos_rises_in_equal_ratios():
    """From 0.001 to 0.1 is a factor of 100: of 10 after half of the steps."""
    steps = (-5, 0, 50, 100, 120)
    values = [lambda_pos_at(step, 100, 0.001, 0.1) for step in steps]
    assert values == pytest.approx([0.001, 0.001, 0.01, 0.1, 0.1])
    assert [lambda_pos_at(step, 100, None, 0.1) for step in steps] == [0.1] * 5
