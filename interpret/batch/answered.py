"""Pictures in, answers out, many at a time: the one way for tables, shards and the terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpret.batch.contents import GivenPicture
from interpret.bundle.errors import ImageError
from interpret.explain.answers import Classification
from interpret.explain.explainer import BATCH, Explainer
from interpret.model.devices import cpu_count
from interpret.model.images import MAX_FILE_PIXELS, decode, thumbnail


class Answered(NamedTuple):
    """A picture with its answer, or why it cannot be read; then all else is None."""

    picture: GivenPicture
    answer: Classification | ImageError
    pixels: NDArray[np.uint8] | None = None  # (S, S, 3), as the model sees it
    embedding: NDArray[np.float32] | None = None  # (d,)
    thumbnail: bytes | None = None  # encoded; None when not asked for


class _Decoded(NamedTuple):
    pixels: NDArray[np.uint8]
    thumbnail: bytes | None


def answered(
    explainer: Explainer,
    pictures: Iterable[GivenPicture],
    *,
    threads: int | None = None,
    thumbnails: bool = False,
) -> Iterator[Answered]:
    """The answer for each picture, in order, in bounded memory.

    Pictures are read and decoded by `threads` (default: as many as CPUs) while the model computes
    on those before them. A picture that cannot be read gets its error for an answer.
    """

    def decoded(picture: GivenPicture) -> _Decoded | ImageError:
        try:
            image = decode(picture.read(), MAX_FILE_PIXELS)
        except ImageError as error:
            return type(error)(f"{picture.name}: {error}")
        return _Decoded(explainer.preprocessing(image), thumbnail(image) if thumbnails else None)

    waiting: deque[tuple[list[GivenPicture], list[Future[_Decoded | ImageError]]]] = deque()
    remaining = iter(pictures)
    with ThreadPoolExecutor(threads or cpu_count()) as pool:
        while batch := list(islice(remaining, BATCH)):
            waiting.append((batch, [pool.submit(decoded, picture) for picture in batch]))
            if len(waiting) > 1:
                yield from _classified(explainer, *waiting.popleft())
        while waiting:
            yield from _classified(explainer, *waiting.popleft())


def _classified(
    explainer: Explainer,
    batch: list[GivenPicture],
    reading: list[Future[_Decoded | ImageError]],
) -> Iterator[Answered]:
    found = [each.result() for each in reading]
    good = [each for each in found if not isinstance(each, ImageError)]
    if good:
        prediction = explainer.predictor(np.stack([each.pixels for each in good]))
        results = iter(zip(explainer.answers(prediction), prediction.embedding, strict=True))
    for picture, each in zip(batch, found, strict=True):
        if isinstance(each, ImageError):
            yield Answered(picture, each)
        else:
            answer, embedding = next(results)
            yield Answered(picture, answer, each.pixels, embedding, each.thumbnail)
