"""Examples in the OpenAPI document: the default bundle's answers about docs/cat.jpg, rounded."""

from __future__ import annotations

from typing import Any

from interpret.model.picture_formats import FORMATS

_CAT = {"label": "cat", "index": 3, "distance": 20.98, "angle_deg": 25.2}
_DOG = {"label": "dog", "index": 5, "distance": 56.02, "angle_deg": 78.0}
_MODEL = {"name": "cifar10-dpnp-9d", "fingerprint": "8be491bf" + "0" * 56}
_CLASSIFICATION: dict[str, Any] = {
    "label": "cat",
    "index": 3,
    "probability": 0.9998,
    "verdict": "accept",
    "limits": {
        "ood_score": 27.92,
        "max_distance": 44.8,
        "margin": 35.04,
        "min_margin": 16.28,
        "passed": None,
    },
    "positive": _CAT,
    "negative": _DOG,
    "margin": 35.04,
    "novelty": 6.94,
    "prototypes": [_CAT, _DOG],
    "probabilities": None,
    "model": _MODEL,
}


def _training_image(number: int, label: str, distance: float) -> dict[str, Any]:
    return {
        "id": number,
        "label": label,
        "distance": distance,
        "thumbnail": f"/gallery/{number}",
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
    "Similar": {
        "query": {"kind": "prototype", "label": "cat", "k": 1},
        "results": [_training_image(15351, "cat", 7.81)],
    },
    "Prototypes": {
        "radius": 40.0,
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


def _refused(code: str, message: str, detail: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "detail": detail}}


ERRORS: dict[int, dict[str, Any]] = {
    401: _refused("unauthorized", "send the header Authorization: Bearer TOKEN"),
    413: _refused("too_large", "the body is over the limit of 10485760 bytes", {"limit": 10485760}),
    415: _refused("not_an_image", f"not a picture in a format we read ({', '.join(FORMATS)})"),
    422: _refused(
        "invalid_field",
        "k: Input should be less than or equal to 100",
        [{"field": "k", "message": "Input should be less than or equal to 100"}],
    ),
    429: _refused("too_many_requests", "too many requests at once; try again"),
}
