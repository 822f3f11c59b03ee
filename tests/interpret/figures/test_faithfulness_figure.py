import numpy as np

from interpret.explain.faithfulness import RANDOM, STEPS, Curves, Faithfulness
from interpret.figures.faithfulness_figure import faithfulness_figure
from interpret.figures.palette import GREY


def found(method: str, level: float) -> Faithfulness:
    curves = Curves(np.full(STEPS + 1, level), np.full(STEPS + 1, 1 - level))
    return Faithfulness(method, level, 1 - level, 0, 0, 0, None, 0, 1, curves)


def test_a_line_for_each_method_in_each_panel():
    methods = [found("evidence", 0.2), found("ig", 0.3), found(RANDOM, 0.5)]
    deletion, insertion = faithfulness_figure(methods, 1234).axes
    for axes, levels in ((deletion, [0.2, 0.3, 0.5]), (insertion, [0.8, 0.7, 0.5])):
        assert [line.get_ydata()[0] for line in axes.lines] == levels
        assert all((line.get_xdata()[[0, -1]] == [0, 100]).all() for line in axes.lines)
    exact, other, random = insertion.lines
    assert exact.get_linewidth() > other.get_linewidth()
    assert (random.get_color(), random.get_linestyle()) == (GREY, ":")
    named = [text.get_text() for text in insertion.get_legend().get_texts()]
    assert named == ["Exact evidence", "Integrated gradients", "Random map"]
    assert deletion.get_ylabel() == "margin, mean of 1,234 pictures"
