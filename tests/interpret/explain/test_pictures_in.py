"""`Explainer.predict` and `.explain` with pictures of every kind and size."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import ImageError, NotAnImageError
from interpret.explain.explainer import BATCH, Explainer

WIDE = np.zeros((8, 20, 3), np.uint8)
WIDE[:, :, 0] = 255  # red; the model takes 4×4


@pytest.fixture(scope="module")
def explainer(toy_bundle: Bundle) -> Explainer:
    return Explainer(toy_bundle)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["str", "path", "bytes", "image", "array"])
def test_every_kind_of_picture_gives_the_answer_of_its_pixels(
    explainer: Explainer, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "red.png"
    file.write_bytes(png(WIDE))
    given = {"str": str(file), "path": file, "bytes": png(WIDE), "array": WIDE}
    picture = given[kind] if kind in given else Image.open(file)
    fitted = WIDE[:4, :4]
    assert explainer.predict(picture) == explainer.classify(fitted[None])[0]
    assert explainer.explain(picture, k=2) == explainer.explain_pixels(fitted, k=2)
    assert explainer.predict(picture).label == "red"


def test_a_picture_is_fitted_as_the_model_s_pictures_were(explainer: Explainer) -> None:
    picture = np.zeros((4, 12, 3), np.uint8)
    picture[:, 4:8] = (0, 255, 0)  # the centred square; what is beside it is cut off
    picture[:, :4] = picture[:, 8:] = (0, 0, 255)
    answer = explainer.predict(picture)
    assert (answer.label, answer.positive.distance) == ("green", 0)


def test_a_list_gives_a_list_in_order(explainer: Explainer) -> None:
    colours = [np.full((1, 1, 3), np.eye(3)[i % 3] * 255, np.uint8) for i in range(BATCH + 6)]
    answers = explainer.predict(colours)
    assert [answer.index for answer in answers] == [i % 3 for i in range(BATCH + 6)]
    assert explainer.predict(tuple(colours[:2])) == answers[:2]
    assert explainer.predict([]) == []
    assert explainer.predict([colours[2]]) == [explainer.predict(colours[2])]


def test_the_pair_asked_for(explainer: Explainer) -> None:
    answer = explainer.explain(WIDE, 1, positive="blue", negative="green")
    assert (answer.label, answer.positive.label, answer.negative.label) == ("red", "blue", "green")


def test_what_is_no_picture(explainer: Explainer, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: No such file"):
        explainer.predict(tmp_path / "gone.jpg")
    with pytest.raises(NotAnImageError, match="picture 1: not a picture"):
        explainer.predict([WIDE, b"text"])
    with pytest.raises(NotAnImageError, match=r"^not a picture"):
        explainer.predict(b"text")
    with pytest.raises(TypeError, match="not NoneType"):
        explainer.predict([None])  # type: ignore[list-item]
    for array in (WIDE.astype(np.float32), WIDE[None], WIDE[..., :2], WIDE[:0]):
        with pytest.raises(ValueError, match="not uint8"):
            explainer.predict(array)
