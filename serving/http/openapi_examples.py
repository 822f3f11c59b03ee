"""Examples in the OpenAPI document: the default bundle's answers about docs/cat.jpg, rounded."""

from __future__ import annotations

from typing import Any

from interpret import __version__
from interpret.model.picture_formats import FORMATS

_CAT = {"label": "cat", "index": 3, "distance": 20.98, "angle_deg": 25.2}
_DOG = {"label": "dog", "index": 5, "distance": 56.02, "angle_deg": 78.0}
_MODEL = {"name": "cifar10-dpnp-9d", "fingerprint": "bb2160b0" + "0" * 56}
_CLASSIFICATION: dict[str, Any] = {
    "label": "cat",
    "index": 3,
    "probability": 0.9998,
    "verdict": "accept",
    "group": None,
    "limits": {
        "ood_score": 19.81,
        "max_distance": 99.1,
        "margin": 35.04,
        "min_margin": 15.39,
        "passed": None,
    },
    "positive": _CAT,
    "negative": _DOG,
    "margin": 35.04,
    "novelty": -1.17,
    "prototypes": [_CAT, _DOG],
    "probabilities": None,
    "model": _MODEL,
}


def _refused(code: str, message: str, detail: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "detail": detail}}


_NOT_AN_IMAGE: dict[str, Any] = _refused(
    "not_an_image", f"not a picture in a format we read ({', '.join(FORMATS)})"
)["error"]


def _training_image(number: int, label: str, distance: float) -> dict[str, Any]:
    return {
        "id": number,
        "label": label,
        "distance": distance,
        "thumbnail": f"/gallery/{number}",
    }


# A red picture of one pixel, by the name of the form.
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
REQUESTS: dict[str, dict[str, Any]] = {
    "PredictForm": {"image": _PIXEL, "top": 3, "probabilities": True},
    "BatchForm": {"image": [_PIXEL, _PIXEL]},
    "ExplainForm": {"image": _PIXEL, "k": 3, "rival": "dog"},
    "SimilarForm": {"prototype": "cat", "k": 9},
    "FeedbackForm": {"image": _PIXEL, "label": "cat"},
}
INFER_REQUEST: dict[str, Any] = {
    "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [_PIXEL]}],
    "outputs": [{"name": "label"}, {"name": "verdict"}],
}
INFER_ANSWER: dict[str, Any] = {
    "model_name": _MODEL["name"],
    "model_version": _MODEL["fingerprint"],
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["cat"]},
        {"name": "verdict", "datatype": "BYTES", "shape": [1], "data": ["accept"]},
    ],
}
ANSWERS: dict[str, dict[str, Any]] = {
    "Classification": _CLASSIFICATION,
    "Explanation": _CLASSIFICATION
    | {
        "point": [27.0, -24.8, 22.2],
        "positive_examples": [_training_image(15351, "cat", 7.81)],
        "negative_examples": [_training_image(24538, "dog", 9.47)],
        "neighbours": [_training_image(15129, "cat", 5.21)],
        "evidence": {
            "rows": 4,
            "cols": 4,
            "values": [
                [5.6, 89.1, 95.0, 135.2],
                [31.7, 230.7, 231.4, 253.6],
                [46.8, 289.0, 264.5, 274.8],
                [77.8, 258.5, 214.9, 199.7],
            ],
            "overlay_png": "iVBORw0KGgo=",
        },
    },
    "BatchAnswer": {
        "results": [
            {"filename": "cat.jpg", "request_id": "7f21c8.1", "answer": _CLASSIFICATION},
            {"filename": "notes.txt", "error": _NOT_AN_IMAGE},
        ]
    },
    "Model": {
        **_MODEL,
        "toolkit": __version__,
        "method": "dpnp",
        "backbone": "fast+fast",
        "embedding_dim": 9,
        "input_size": 32,
        "fit": "crop",
        "class_names": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog"],
        "int8": False,
        "changes": ["calibrated on 1,000 pictures of folder:cifar10's valid"],
        "accuracy": 0.9148,
        "balanced_accuracy": None,
        "split": "test",
        "examples": 10000,
        "coverage": {
            "stated": 0.95,
            "measured": 0.964,
            "accepted": 0.5744,
            "accuracy_of_accepted": 0.9962,
            "split": "valid",
            "examples": 1000,
        },
        "device": "cpu",
        "provider": "CPUExecutionProvider",
        "threads": 2,
        "workers": 1,
        "limits": {
            "max_bytes": 10485760,
            "max_pixels": 64000000,
            "max_pictures": 100,
            "max_batch_bytes": 67108864,
        },
    },
    "Similar": {
        "query": {"kind": "prototype", "label": "cat", "k": 1},
        "results": [_training_image(15351, "cat", 7.81)],
    },
    "Prototypes": {
        "radius": 40.0,
        "total": 10,
        "offset": 3,
        "prototypes": [
            {
                "label": "cat",
                "index": 3,
                "rival": {"label": "ship", "index": 8, "distance": 59.63, "angle_deg": 96.4},
            }
        ],
        "model": _MODEL,
    },
    "Reload": {"swapped": True, "model": _MODEL},
}


ERRORS: dict[int, dict[str, Any]] = {
    401: _refused("unauthorized", "send the header Authorization: Bearer TOKEN"),
    413: _refused("too_large", "the body is over the limit of 10485760 bytes", {"limit": 10485760}),
    415: {"error": _NOT_AN_IMAGE},
    422: _refused(
        "invalid_field",
        "k: Input should be less than or equal to 100",
        [{"field": "k", "message": "Input should be less than or equal to 100"}],
    ),
    429: _refused("too_many_requests", "too many requests at once; try again"),
}
