"""The map of the gallery; tests/serving/test_service.py has /model."""

from dataclasses import replace

import pytest

from interpret.bundle.bundle import Bundle
from interpret.explain.explainer import Explainer
from serving import about
from serving.about import gallery_map
from serving.answers import Map


def test_the_map_shows_a_part_of_a_large_gallery(
    toy_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(about, "MAP_POINTS", 3)
    found: Map = gallery_map(Explainer(toy_bundle))
    assert found.ids == [10, 12, 15]
    assert found.labels == [0, 2, 2]
    assert found.points == [[1, 0, 0], [0, 0, 1], [0, 0, 0.5]]
    assert len(found.prototypes) == len(found.colours) == 3
    assert found.fit == "crop"


def test_a_map_of_an_empty_gallery(toy_bundle: Bundle) -> None:
    table = toy_bundle.gallery
    empty = replace(
        toy_bundle,
        embeddings=toy_bundle.embeddings[:0],
        gallery=replace(
            table, ids=table.ids[:0], labels=table.labels[:0], splits=[], sources=[], thumbnails=[]
        ),
    )
    found = gallery_map(Explainer(empty))
    assert (found.ids, found.points, len(found.prototypes)) == ([], [], 3)
