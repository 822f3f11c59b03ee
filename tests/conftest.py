"""A toy bundle whose every number can be computed by hand.

A picture of 4×4 pixels; the per-location embedding is the pixel's colour in [0, 1], so the
embedding is the mean colour; three classes, whose prototypes are the pure colours (radius 1).
"""

import io
from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from PIL import Image

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.gallery_table import GalleryTable, pixel_hash
from interpret.bundle.manifest import (
    Certificate,
    DataInfo,
    EvidenceGrid,
    Geometry,
    Manifest,
    Metrics,
    Thresholds,
)

TOY_MODEL = """
<ir_version: 9, opset_import: ["" : 18]>
toy (uint8[n, 4, 4, 3] pixels)
  => (float[n, 3] embedding, float[n, 3] distances, float[n, 3] probabilities,
      float[n, 3, 4, 4] evidence)
<float scale = {255.0}, int64[2] locations = {2, 3}, int64[1] last = {2}, int64[1] middle = {1},
 float[3, 3] prototypes = {1, 0, 0, 0, 1, 0, 0, 0, 1}>
{
  colours = Cast<to = 1>(pixels)
  unit = Div(colours, scale)
  evidence = Transpose<perm = [0, 3, 1, 2]>(unit)
  embedding = ReduceMean<keepdims = 0>(evidence, locations)
  point = Unsqueeze(embedding, middle)
  away = Sub(point, prototypes)
  distances = ReduceL2<keepdims = 0>(away, last)
  logits = MatMul(embedding, prototypes)
  probabilities = Softmax(logits)
}
"""


def toy_manifest(**changes: object) -> Manifest:
    fields = {
        "name": "toy",
        "method": "dpnp",
        "backbone": "colour",
        "embedding_dim": 3,
        "radius": 1.0,
        "class_names": ["red", "green", "blue"],
        "input_size": 4,
        "preprocessing": "none",
        "metric": "euclidean",
        "evidence": EvidenceGrid(rows=4, cols=4),
        "data": DataInfo(name="toy", splits={"train": 6}),
        "thresholds": Thresholds(max_distance=0.9, min_margin=0.1, source="chosen by hand"),
        "metrics": Metrics(
            split="test",
            examples=0,
            accuracy=1.0,
            accuracy_nearest_prototype=1.0,
            rules_disagree=0,
            expected_calibration_error=0.0,
            geometry=Geometry(
                min_sep_deg=90.0,
                mean_sep_deg=90.0,
                std_deg=0.0,
                intra_class_angle_deg=0.0,
                scr=1.0,
            ),
        ),
        "certificate": Certificate(
            batch_sizes=[1, 2, 7],
            max_abs_difference={"embedding": 0.0},
            argmax_agreement=1.0,
            neighbour_overlap=1.0,
        ),
        "training": {},
        "versions": {},
    }
    return Manifest.model_validate(fields | changes)


def toy_gallery() -> tuple[GalleryTable, np.ndarray]:
    """Six training images: each pure colour, and each at half strength, with ids 10 to 15."""
    embeddings = np.concatenate([np.eye(3), np.eye(3) / 2]).astype(np.float32)
    thumbnails, fitted = [], []
    for colour in embeddings:
        picture = Image.new("RGB", (4, 4), tuple(int(255 * c) for c in colour))
        thumbnails.append(_webp(picture))
        fitted.append(np.asarray(picture))
    table = GalleryTable(
        ids=np.arange(10, 16),
        labels=np.array([0, 1, 2, 0, 1, 2]),
        splits=["train"] * 6,
        sources=[f"{name}.png" for name in "abcdef"],
        thumbnails=thumbnails,
        pixel_hashes=[pixel_hash(pixels) for pixels in fitted],
    )
    return table, embeddings


def _webp(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def write_toy_bundle(path: Path, **changes: object) -> Bundle:
    gallery, embeddings = toy_gallery()
    return write_bundle(
        path,
        toy_manifest(**changes),
        model=onnx.parser.parse_model(TOY_MODEL).SerializeToString(),
        prototypes=np.eye(3, dtype=np.float32),
        embeddings=embeddings,
        gallery=gallery,
        weights=b"",
    )


@pytest.fixture(scope="session")
def toy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The toy bundle on disk, shared by tests that do not change it."""
    return write_toy_bundle(tmp_path_factory.mktemp("bundles") / "toy")
