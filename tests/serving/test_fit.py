"""The service reads a picture by the fit of its bundle: 4×2 pixels, by hand."""

from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from interpret.bundle.manifest import Fit
from tests.conftest import write_toy_bundle
from tests.serving.servers import BEARER, TOKEN, encode, serve, upload

COLUMNS = np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]] * 2, np.uint8)
EMBEDDINGS: dict[Fit, tuple[float, float, float]] = {  # the mean colour of what is seen
    # The middle two columns, twice as large. The filter takes a quarter of each outer one in.
    "crop": (1 / 8, 0.5, 0.5),
    "letterbox": ((0.5 + 128 / 255) / 2,) * 3,  # two rows of the picture, two of the border
    "squash": (0.5, 0.5, 0.5),  # each column twice as high
}


def test_each_fit(tmp_path: Path) -> None:
    path, file = tmp_path / "bundle", encode(Image.fromarray(COLUMNS))
    write_toy_bundle(path, name="first")
    with serve(tmp_path / "log", DPNP_BUNDLE=path, DPNP_API_TOKEN=TOKEN) as server:
        for fit, embedding in EMBEDDINGS.items():
            write_toy_bundle(path, name=fit, fit=fit)
            reloaded = httpx.post(f"{server.url}/admin/reload", headers=BEARER, timeout=30)
            assert reloaded.json()["model"]["name"] == fit
            response = httpx.post(
                f"{server.url}/explain", files=upload(file), headers=BEARER, timeout=30
            )
            answer = response.json()
            assert httpx.get(f"{server.url}/map", headers=BEARER).json()["fit"] == fit
            away = {each["label"]: each["distance"] for each in answer["prototypes"]}
            for label, prototype in zip(("red", "green", "blue"), np.eye(3), strict=True):
                expected = np.linalg.norm(embedding - prototype)
                assert away[label] == pytest.approx(expected, abs=5e-3)
            margin = answer["negative"]["distance"] ** 2 - answer["positive"]["distance"] ** 2
            assert np.sum(answer["evidence"]["values"]) == pytest.approx(margin, abs=1e-5)
