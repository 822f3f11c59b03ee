import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Circle

from interpret.figures.sphere_3d import sphere_plot, sphere_view
from tests.interpret.figures.spheres import AXES, NAMES, small, ten, texts


def test_the_view_encircles_the_classes_behind():
    # Two classes face each other: whatever the view, one is in front and one behind.
    data = small(
        embeddings=np.concatenate([AXES[:1], -AXES[:1]]),
        labels=np.array([0, 1]),
        class_names=["here", "there"],
        centres=np.concatenate([AXES[:1], -AXES[:1]]),
    )
    figure = sphere_view(data)
    dashed = [p for p in figure.axes[0].patches if isinstance(p, Circle) and p.get_radius() < 1.9]
    assert len(dashed) == 1
    ink = {t.get_text(): t.get_color() for t in figure.texts}
    assert ink["here"] != ink["there"]


def test_the_view_keeps_lengths_and_faces_most_classes():
    data = ten()
    figure = sphere_view(data)
    [outline] = [p for p in figure.axes[0].patches if p.get_radius() == pytest.approx(40)]
    assert outline.get_center() == (0, 0)
    dashed = [p for p in figure.axes[0].patches if p is not outline]
    assert 1 <= len(dashed) <= 5
    assert set(NAMES) <= set(texts(figure))
    assert "2,000 samples; the sphere’s radius, 40, is the centres’ mean norm." in texts(figure)


def test_zero_centres_samples_and_weights_are_drawn():
    data = small(embeddings=np.zeros((7, 3)), centres=np.zeros((3, 3)), weights=np.zeros((3, 3)))
    sphere_view(data).savefig(io.BytesIO())
    assert "plotly" in sphere_plot(data, height="100px")


def test_plotly_is_imported_by_the_interactive_page_alone():
    code = "import interpret.figures.sphere_3d, sys; assert 'plotly' not in sys.modules"
    asked = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3])
    assert asked.returncode == 0
