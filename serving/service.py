"""The BentoML service: `bentoml serve` in the repository root starts it."""

from __future__ import annotations

import logging
import os

import bentoml
import numpy as np
from bentoml.exceptions import BentoMLException
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from interpret.bundle import Bundle
from interpret.devices import cuda_device_count
from interpret.errors import DpnpError, UnknownExampleError
from interpret.explanation import Classification, Explainer, Explanation
from interpret.images import decode, fit_square
from interpret.predictor import Pixels
from serving.endpoint import endpoint
from serving.errors import ErrorSchema, refusal
from serving.lanes import Lane
from serving.openapi import describe
from serving.schemas import (
    EmptyForm,
    ExplainForm,
    PredictForm,
    Prototypes,
    Query,
    Similar,
    SimilarForm,
)
from serving.settings import Settings

SETTINGS = Settings.read()
_LOG = logging.getLogger("bentoml.dpnp")  # under BentoML's logger, which shows its INFO
_MAGIC = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG", "image/png"), (b"RIFF", "image/webp"))


async def _gallery(request: Request) -> Response:
    running: Dpnp = bentoml.get_current_service()
    try:
        thumbnail = running.thumbnail(request.path_params["example_id"])
    except UnknownExampleError as error:
        return refusal(error)
    kind = next((kind for magic, kind in _MAGIC if thumbnail.startswith(magic)), None)
    return Response(
        thumbnail,
        media_type=kind or "application/octet-stream",
        headers={"x-content-type-options": "nosniff"},
    )


async def _docs(request: Request) -> Response:
    # Mounted apps come before BentoML's own /docs.json, which knows nothing of our errors.
    return JSONResponse(describe(service.openapi_spec.asdict(), Dpnp.__doc__))


_PAGES = Starlette(routes=[Route("/gallery/{example_id}", _gallery), Route("/docs.json", _docs)])


@bentoml.asgi_app(_PAGES, path="/")
class Dpnp:
    """Classifies pictures by the nearest prototype, and shows what stands behind each answer."""

    def __init__(self) -> None:
        self.settings = SETTINGS
        threads = SETTINGS.process_threads
        self._explainer = Explainer(
            Bundle.load(SETTINGS.bundle_path), threads=threads, device=SETTINGS.device
        )
        _LOG.info(
            "bundle %s (%.12s) on %s, %d threads",
            self._explainer.model.name,
            self._explainer.model.fingerprint,
            self._explainer.predictor.provider,
            threads,
        )
        room, patience = SETTINGS.max_concurrency, SETTINGS.queue_seconds
        self.lanes = {
            "quick": Lane(threads, room, patience),
            "explain": Lane(max(1, threads // 2), room, patience),
        }
        self._warm_up()

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check() -> None:
        """Verify bundle and device once, before any worker starts: a bad one ends the server.

        BentoML would start a worker that fails again and again.
        """
        try:
            Bundle.load(SETTINGS.bundle_path)
        except DpnpError as error:
            raise BentoMLException(str(error)) from error
        if SETTINGS.device == "cuda" and not cuda_device_count():
            raise BentoMLException("DPNP_DEVICE is cuda, but the driver shows no GPU")
        # Workers start in another folder when a built bento is served.
        os.environ["DPNP_BUNDLE"] = str(SETTINGS.bundle_path)

    @endpoint(PredictForm, Classification, lane="quick")
    def predict(self, form: PredictForm) -> Classification:
        """Classify a picture: its nearest prototypes, the margin, and whether to trust it."""
        return self._explainer.classify(self._pixels(form.image)[None])[0]

    @endpoint(ExplainForm, Explanation, lane="explain")
    def explain(self, form: ExplainForm) -> Explanation:
        """Classify a picture, with the training images behind the answer and the evidence map."""
        return self._explainer.explain(self._pixels(form.image), form.k)

    @endpoint(SimilarForm, Similar, lane="quick")
    def similar(self, form: SimilarForm) -> Similar:
        """Find the training images nearest to a picture or to a class's prototype."""
        if form.image is not None:
            query = Query(kind="image", label=None, k=form.k)
            results = self._explainer.similar_to_image(self._pixels(form.image), form.k)
        else:
            label = str(form.prototype)
            query = Query(kind="prototype", label=label, k=form.k)
            results = self._explainer.similar_to_prototype(label, form.k)
        return Similar(query=query, results=results)

    @endpoint(EmptyForm, Prototypes, lane="quick")
    def prototypes(self, form: EmptyForm) -> Prototypes:
        """List every class with its nearest rival; the request's body is ignored."""
        return self._prototypes

    def thumbnail(self, example_id: str) -> bytes:
        """A training image's thumbnail. Raises UnknownExampleError."""
        bundle = self._explainer.bundle
        if not (example_id.isascii() and example_id.isdigit() and len(example_id) < 19):
            raise UnknownExampleError(f"no training image {example_id[:40]!r} in the gallery")
        return bundle.gallery.thumbnails[bundle.gallery_row(int(example_id))]

    def _pixels(self, picture: bytes) -> Pixels:
        size = self._explainer.predictor.input_size
        return fit_square(decode(picture, SETTINGS.max_pixels), size)

    def _warm_up(self) -> None:
        # The first inference allocates memory and picks kernels; no client shall wait for that.
        size = self._explainer.predictor.input_size
        self._explainer.explain(np.zeros((size, size, 3), np.uint8), k=1)
        self._prototypes = Prototypes(
            radius=self._explainer.bundle.manifest.radius,
            prototypes=self._explainer.prototypes(),
            model=self._explainer.model,
        )


service = bentoml.service(
    name="dpnp",
    workers=SETTINGS.workers,
    http={"host": "127.0.0.1"},  # `--host` or BENTOML_HOST opens it to others
    traffic={"timeout": SETTINGS.upload_seconds + SETTINGS.queue_seconds + 60},
)(Dpnp)
service.add_asgi_middleware(ErrorSchema)
