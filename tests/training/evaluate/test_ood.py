"""Pictures of no class: where they come from, and what the scores say of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.model.predictor import Predictor
from training.evaluate.ood import compare_ood, ood_files


def test_files_are_named_by_folder_and_parent(tmp_path: Path):
    folder = tmp_path / "flowers" / "test"
    folder.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    (folder / "notes.txt").write_text("no picture")
    assert ood_files([f"folder:{folder}"]) == {"flowers/test": [folder / "a.png"]}
    assert ood_files([]) == {}
    for spec, problem in (
        (str(folder), "not folder:PATH of a folder"),
        ("folder:/no/such", "not folder:PATH of a folder"),
        (f"folder:{tmp_path / 'empty'}", "no pictures in it"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(DpnpError, match=problem):
            ood_files([spec])


def test_own_pictures_are_told_from_grey_ones(toy_bundle: Bundle, tmp_path: Path):
    """On the toy: pure colours lie on their prototypes, white lies at (1, 1, 1), far from all."""
    Image.new("RGB", (4, 4), "white").save(tmp_path / "white.png")
    pure = (255 * np.eye(3)).astype(np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    predictor = Predictor(toy_bundle)
    usual = predictor(pure, evidence=True)
    files = {"white": [tmp_path / "white.png"]}
    noise, white = compare_ood(toy_bundle, predictor, usual, files, toy_bundle.manifest)
    assert (noise.data, white.data, white.examples) == ("noise", "white", 1)
    assert white.auroc["distance"] == 1.0
    assert white.verdicts == {"accept": 0.0, "ambiguous": 0.0, "none_of_these": 1.0}
    (tmp_path / "cut.png").write_bytes((tmp_path / "white.png").read_bytes()[:40])
    files = {"white": [tmp_path / "cut.png", tmp_path / "white.png"]}
    _, again = compare_ood(toy_bundle, predictor, usual, files, toy_bundle.manifest)
    assert again == white
    with pytest.raises(DpnpError, match="--ood bad: none of 1 pictures can be read"):
        compare_ood(
            toy_bundle, predictor, usual, {"bad": [tmp_path / "cut.png"]}, toy_bundle.manifest
        )
