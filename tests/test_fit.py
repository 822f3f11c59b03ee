"""One file, one input: training, the command and the service read a picture in the same way."""

import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.gallery_table import pixel_hash
from interpret.bundle.manifest import Fit
from interpret.explain.explainer import Explainer
from interpret.model.fitting import fit_square, in_words
from interpret.model.images import decode, open_image
from interpret.model.predictor import Predictor
from tests.training.commands.command_line import dpnp
from tests.training.conftest import quick_config
from training.config.training_job import TrainingJob
from training.data.batches import Resident, Streamed
from training.data.datasets import load_data
from training.data.splits import DataSet
from training.evaluate.labelled import DataSource, load_labelled, load_to_evaluate, predict_split
from training.evaluate.ood import evaluate_ood
from training.export.bundle_export import export_bundle
from training.export.int8 import gallery_pictures
from training.run.loop import train
from training.run.preparation import load_batches

CPU, SIZE = torch.device("cpu"), 16
FITS: tuple[Fit, ...] = get_args(Fit)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of pictures of 36×24 and 24×36 pixels: dark and light noise."""
    root, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 120)):
        (root / name).mkdir()
        for i in range(24):
            shape = (24, 36, 3) if i % 2 else (36, 24, 3)
            pixels = random.integers(low, low + 130, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:02}.png")
    return root


@pytest.fixture(scope="module", params=FITS)
def made(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Fit, DataSet, Bundle]:
    """A small network trained with each fit, and its bundle."""
    data, root = load_data(f"folder:{folder}"), tmp_path_factory.mktemp("fit")
    config = quick_config(data=f"folder:{folder}", fit=request.param, epochs=1, image_size=SIZE)
    network = train(config, data, root / "run")
    assert network is not None
    bundle = export_bundle(network, TrainingJob(config), data, root / "bundle")
    return request.param, data.with_fit(request.param), bundle


def test_the_manifest_names_it(made: tuple[Fit, DataSet, Bundle]):
    fit, _, bundle = made
    assert bundle.manifest.fit == bundle.manifest.training["fit"] == fit
    assert bundle.manifest.preprocessing == in_words(fit)
    document = json.loads((bundle.path / "manifest.json").read_text())
    assert document["fit"] == fit


def test_every_reader_makes_the_same_pixels(made: tuple[Fit, DataSet, Bundle], folder: Path):
    fit, data, bundle = made
    split, explainer = data.splits["test"], Explainer(bundle)
    files = [folder / source for source in split.sources]
    expected = np.stack([fit_square(open_image(file), SIZE, fit) for file in files])
    everyone = torch.arange(len(split))
    [(resident, _)] = Resident(split, SIZE, "", CPU)([everyone])
    [(streamed, _)] = Streamed(split, SIZE, 0, CPU)([everyone])
    labelled = load_labelled(bundle, DataSource(f"folder:{folder}")).splits["test"]
    whole = load_to_evaluate(bundle, DataSource(f"folder:{folder}"), None)
    rows = [whole.splits[whole.final].sources.index(source) for source in split.sources]
    for pixels in (
        split.pixels(SIZE, ""),
        split.kept(SIZE, "").pixels(SIZE, ""),
        split.subset(np.arange(len(split))).pixels(SIZE, ""),
        resident.permute(0, 2, 3, 1).numpy(),
        streamed.permute(0, 2, 3, 1).numpy(),
        labelled.pixels(SIZE, ""),
        whole.splits[whole.final].subset(np.array(rows)).pixels(SIZE, ""),
        np.stack([explainer.preprocessing(open_image(file)) for file in files]),
    ):
        np.testing.assert_array_equal(pixels, expected)


def test_the_gallery_keeps_whole_pictures_and_the_hashes_of_their_inputs(
    made: tuple[Fit, DataSet, Bundle],
):
    fit, data, bundle = made
    split, table = data.splits["train"], bundle.gallery
    assert {decode(thumbnail).size for thumbnail in table.thumbnails} == {(36, 24), (24, 36)}
    assert table.pixel_hashes == [pixel_hash(pixels) for pixels in split.pixels(SIZE, "")]
    calibrating = [fit_square(decode(table.thumbnails[0]), SIZE, fit)]
    np.testing.assert_array_equal(gallery_pictures(bundle, 1), calibrating)


def test_training_sees_what_is_served(made: tuple[Fit, DataSet, Bundle], folder: Path):
    _, data, bundle = made
    valid = load_batches(data, SIZE, 0, CPU)[1]
    assert valid is not None
    [(pixels, _)] = valid([torch.arange(len(data.splits["valid"]))])
    files = [folder / source for source in data.splits["valid"].sources]
    served = np.stack([Explainer(bundle).preprocessing(open_image(file)) for file in files])
    np.testing.assert_array_equal(pixels.permute(0, 2, 3, 1).numpy(), served)


def test_the_command_answers_as_training_measures(
    made: tuple[Fit, DataSet, Bundle],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    _, data, bundle = made
    split = data.splits["test"]
    found = predict_split(Predictor(bundle), split, SIZE, "")
    files = [folder / source for source in split.sources]
    assert dpnp("predict", bundle.path, *files, "--json", monkeypatch=monkeypatch) == 0
    answers = json.loads(capsys.readouterr().out)
    shown = [(answer["index"], answer["positive"]["distance"]) for answer in answers]
    index = found.probabilities.argmax(1)
    expected = zip(index.tolist(), found.distances[np.arange(len(split)), index], strict=True)
    assert shown == [(i, pytest.approx(float(d), rel=1e-5)) for i, d in expected]


def test_pictures_of_no_class_are_read_in_the_same_way(
    made: tuple[Fit, DataSet, Bundle], folder: Path, tmp_path: Path
):
    """The test pictures themselves as strangers: no score tells them apart."""
    _, data, bundle = made
    for source in data.splits["test"].sources:
        shutil.copy(folder / source, tmp_path / source.replace("/", "-"))
    labelled = load_labelled(bundle, DataSource(f"folder:{folder}"))
    _, same = evaluate_ood(bundle, labelled, "test", [f"folder:{tmp_path}"])
    assert same.auroc == pytest.approx(dict.fromkeys(same.auroc, 0.5))


def test_a_kept_picture_is_of_its_fit(folder: Path):
    split = load_data(f"folder:{folder}").splits["test"]
    kept = split.kept(SIZE, "")
    assert kept.with_fit("crop") is kept
    boxed = kept.with_fit("letterbox")
    np.testing.assert_array_equal(
        boxed.pixels(SIZE, ""), split.with_fit("letterbox").pixels(SIZE, "")
    )
    assert not np.array_equal(boxed.pixels(SIZE, ""), kept.pixels(SIZE, ""))
