"""Wilson's interval against values computed by hand, and where the simple formula fails."""

import pytest

from interpret.trust.intervals import wilson_interval


@pytest.mark.parametrize(
    ("right", "examples", "low", "high"),
    [
        # z² = 3.8415. 46 of 100: (0.46 + 0.01921) / 1.03841 = 0.46148, and on both sides the root
        # of 0.46·0.54·0.038415 + 0.038415²/4 = 0.0099111, over 1.03841: 0.09587.
        (46, 100, 0.36561, 0.55735),
        # 10 of 10: the middle is (1 + 0.19207) / 1.38415 = 0.86123, half 0.13877.
        (10, 10, 0.72247, 1.0),
        (0, 10, 0.0, 0.27753),
        (1, 2, 0.09453, 0.90547),
        (0, 0, 0.0, 1.0),
    ],
)
def test_by_hand(right: int, examples: int, low: float, high: float):
    assert wilson_interval(right, examples) == pytest.approx((low, high), abs=1e-5)


def test_more_pictures_make_it_narrower_and_it_always_holds_the_share():
    widths = []
    for examples in (10, 40, 160, 640):
        low, high = wilson_interval(examples * 9 // 10, examples)
        assert 0 <= low < 0.9 < high <= 1
        widths.append(high - low)
    # Four times as many, half as wide, for large numbers.
    assert widths[-2] / widths[-1] == pytest.approx(2, rel=0.02)
    assert widths == sorted(widths, reverse=True)
