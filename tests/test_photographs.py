"""A user's folder of real photographs, from files to an explanation whose numbers add up."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from interpret.explain.explainer import Explainer
from interpret.model.fitting import fit_square
from interpret.model.images import decode
from training import train_classifier

FLOWERS = Path(__file__).parents[2] / "shared" / "data" / "flowers102-64px.zip"
CLASSES = 4
SIZE, SEEN = 64, 96  # pixels of a picture, and as the network sees them: the graph enlarges

pytestmark = pytest.mark.skipif(
    not FLOWERS.exists(), reason="the Flowers-102 pictures are not on this machine"
)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of the first classes of Flowers-102 at 64 pixels, in train/valid/test."""
    folder = tmp_path_factory.mktemp("flowers")
    with zipfile.ZipFile(FLOWERS) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        classes = sorted({name.split("/")[1] for name in names})[:CLASSES]
        archive.extractall(folder, [name for name in names if name.split("/")[1] in classes])
    return folder


@pytest.fixture(scope="module")
def explainer(flowers: Path, tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    out = tmp_path_factory.mktemp("models") / "flowers"
    bundle = train_classifier(
        flowers,
        out,
        run=out.with_name("run"),
        recipe="finetune",
        backbone="timm:tf_efficientnet_lite0",
        image_size=SEEN,
        epochs=1,
    )
    assert bundle is not None
    return Explainer(bundle)


def test_the_folder_is_understood(explainer: Explainer, flowers: Path):
    manifest = explainer.bundle.manifest
    assert manifest.input_size == SIZE
    assert manifest.class_names == sorted(p.name for p in (flowers / "train").iterdir())
    pictures = {
        split: len(list((flowers / split).rglob("*.jpg"))) for split in manifest.data.splits
    }
    assert manifest.data.splits == pictures
    assert manifest.training["head_start"] == "features"
    assert manifest.metrics.accuracy > 0.75


def test_explanations_of_photographs_add_up(explainer: Explainer, flowers: Path):
    for path in sorted((flowers / "test").rglob("*.jpg"))[::5]:
        pixels = fit_square(decode(path.read_bytes()), SIZE)
        answer = explainer.explain(pixels, k=3)
        near, far = answer.positive.distance, answer.negative.distance
        assert answer.margin == pytest.approx(far - near)
        assert np.sum(answer.evidence.values) == pytest.approx(far**2 - near**2, rel=1e-3)
        assert (answer.evidence.rows, answer.evidence.cols) == (3, 3)


def test_a_training_picture_finds_itself(explainer: Explainer, flowers: Path):
    gallery = explainer.bundle.gallery
    for row in (0, 50, 100):
        file = flowers / gallery.sources[row]
        (found,) = explainer.similar_to_image(fit_square(decode(file.read_bytes()), SIZE), k=1)
        assert found.id == gallery.ids[row]
        assert found.distance == pytest.approx(0, abs=1e-3)
        thumbnail = decode(gallery.thumbnails[row])
        assert thumbnail.size == decode(file.read_bytes()).size
