"""Answers as HTML for notebooks: the picture, its evidence, prototypes and training images.

A fragment with styles inside its tags and every picture inside it: nothing is fetched.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import ImageError
from interpret.explain.answers import (
    Classification,
    Evidence,
    Example,
    Explanation,
    PrototypeDistance,
)
from interpret.explain.evidence import AGAINST, FOR, TINY, overlay_on
from interpret.model.images import Picture, Preprocessing, as_image
from interpret.model.picture_formats import data_uri
from interpret.retrieval.gallery_access import shown
from interpret.trust.verdict import WORDS

_SIDE, _SMALL = 176, 72  # pixels on the screen: of the picture, of a training image
_CELL = "padding:2px 14px 2px 0;border:0"
_QUIET = "opacity:0.65;font-size:12px"


class NotebookView:
    """The pictures that belong to an answer. The user's own is read again when it is shown."""

    def __init__(self, bundle: Bundle, preprocessing: Preprocessing, picture: Picture) -> None:
        self._bundle, self._preprocessing, self._picture = bundle, preprocessing, picture

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        # A pickled answer has no view: the view would take the whole bundle along.
        return type(None), ()

    def html(self, answer: Classification) -> str:
        """The answer with its pictures; a picture that is gone is left out."""
        picture = self._read()
        shown = [] if picture is None else [self._as_seen(picture)]
        if isinstance(answer, Explanation) and answer.evidence is not None:
            shown.append(self._evidence(answer.evidence, picture))
        parts = [
            f"<div>{_heading(answer)}</div>",
            f"<div style='display:flex;gap:16px;margin:8px 0'>{''.join(shown)}"
            f"{_prototypes(answer)}</div>",
        ]
        if isinstance(answer, Explanation):
            parts += [
                self._examples("nearest to this picture", answer.neighbours),
                self._examples(
                    f"nearest to the prototype of {answer.positive.label}", answer.positive_examples
                ),
                self._examples(
                    f"nearest to the prototype of {answer.negative.label}", answer.negative_examples
                ),
            ]
        return f"<div>{''.join(parts)}</div>"

    def _read(self) -> Image.Image | None:
        try:
            return as_image(self._picture)
        except ImageError:  # a file that has been moved since
            return None

    def _as_seen(self, picture: Image.Image) -> str:
        seen = Image.fromarray(self._preprocessing(picture))
        return _image(_png(seen), _SIDE, "the picture", tiny=seen.width <= TINY)

    def _evidence(self, evidence: Evidence, picture: Image.Image | None) -> str:
        """The evidence over the original, or over what the model saw where that is gone."""
        if picture is None:
            return _image(base64.b64decode(evidence.overlay_png), _SIDE, "the evidence")
        shown, values = self._preprocessing.shown(picture), np.array(evidence.values)
        return _image(_png(overlay_on(picture, shown, values, 2 * _SIDE)), _SIDE, "the evidence")

    def _examples(self, title: str, examples: Sequence[Example]) -> str:
        thumbnails = self._bundle.gallery.thumbnails
        figures = [
            "<div style='display:inline-block;margin-right:8px;vertical-align:top'>"
            + _image(shown(thumbnails[self._bundle.gallery_row(each.id)]), _SMALL, each.label)
            + f"<div style='{_QUIET}'>{html.escape(each.label)}<br>{each.distance:.3g}</div></div>"
            for each in examples
        ]
        heading = f"<div style='{_QUIET};margin-top:8px'>{html.escape(title)}</div>"
        return f"{heading}<div>{''.join(figures)}</div>"


def _heading(answer: Classification) -> str:
    said = f"{answer.probability:.1%} · {WORDS[answer.verdict]}"
    if not answer.recognised:
        said = f"nearest {html.escape(answer.label)}"
    return (
        f"<b style='font-size:18px'>{html.escape(answer.headline)}</b> {said} "
        f"<span style='{_QUIET}'>{html.escape(answer.model.name)}</span>"
    )


def _prototypes(answer: Classification) -> str:
    named = {each.index: each for each in (answer.positive, answer.negative, *answer.prototypes)}
    rows = sorted(named.values(), key=lambda prototype: prototype.distance)
    body = "".join(_row(prototype, _colour(prototype, answer)) for prototype in rows)
    head = "".join(
        f"<td style='{_CELL};{_QUIET}'>{t}</td>" for t in ("prototype", "distance", "angle")
    )
    note = f"<div style='{_QUIET}'>margin {answer.margin:.3g}</div>"
    return f"<div><table style='border-collapse:collapse'><tr>{head}</tr>{body}</table>{note}</div>"


def _row(prototype: PrototypeDistance, style: str) -> str:
    cells = (
        html.escape(prototype.label),
        f"{prototype.distance:.3g}",
        f"{prototype.angle_deg:.1f}°",
    )
    row = "".join(f"<td style='{_CELL};{style}'>{cell}</td>" for cell in cells)
    return f"<tr>{row}</tr>"


def _colour(prototype: PrototypeDistance, answer: Classification) -> str:
    """Positive and negative in the colours of the evidence for and against."""
    pair = {answer.positive.index: FOR, answer.negative.index: AGAINST}
    if prototype.index not in pair:
        return ""
    return "font-weight:bold;color:rgb({},{},{})".format(*pair[prototype.index])


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _image(content: bytes, side: int, title: str, *, tiny: bool = False) -> str:
    style = "object-fit:contain" + (";image-rendering:pixelated" if tiny else "")
    return (
        f"<img src='{data_uri(content)}' width='{side}' height='{side}' "
        f"alt='{html.escape(title)}' style='{style}'>"
    )
