"""Answers of the digits bundle, as examples in the OpenAPI document; rounded and shortened."""

from __future__ import annotations

from typing import Any

_EIGHT = {"label": "8", "index": 8, "distance": 18.44, "angle_deg": 22.9}
_THREE = {"label": "3", "index": 3, "distance": 28.11, "angle_deg": 44.6}
_MODEL = {"name": "digits-dpnp", "fingerprint": "389842e3" + "0" * 56}
_CLASSIFICATION: dict[str, Any] = {
    "label": "8",
    "index": 8,
    "probability": 0.996,
    "verdict": "ambiguous",
    "positive": _EIGHT,
    "negative": _THREE,
    "margin": 9.67,
    "prototypes": [_EIGHT, _THREE],
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
        "point": [12.1, -20.3, 31.0],
        "positive_examples": [_training_image(1020, "8", 0.93)],
        "negative_examples": [_training_image(411, "3", 0.41)],
        "neighbours": [_training_image(77, "8", 12.1)],
        "evidence": {
            "rows": 2,
            "cols": 2,
            "values": [[210.0, 95.5], [120.1, 24.5]],
            "overlay_png": "iVBORw0KGgo=",
        },
    },
    "Similar": {
        "query": {"kind": "prototype", "label": "8", "k": 1},
        "results": [_training_image(1020, "8", 0.93)],
    },
    "Prototypes": {
        "radius": 40.0,
        "prototypes": [
            {
                "label": "8",
                "index": 8,
                "rival": {"label": "3", "index": 3, "distance": 43.6, "angle_deg": 66.1},
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
    415: _refused("not_an_image", "not a picture in a format we read (JPEG, PNG, WEBP, BMP, GIF)"),
    422: _refused(
        "invalid_field",
        "k: Input should be less than or equal to 100",
        [{"field": "k", "message": "Input should be less than or equal to 100"}],
    ),
    429: _refused("too_many_requests", "too many requests at once; try again"),
}
