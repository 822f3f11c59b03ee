"""The BentoML service: `bentoml serve` in the repository root starts it.

What BentoML is for. It starts, watches and stops the worker processes (`bentoml serve`), packs
the sources and the bundles into a bento (`bentoml build`), knows when a worker is ready (/livez,
/readyz, the hooks below), and its Python client finds the endpoints by name. The rest is done
beside it, for measured reasons. Bodies are read in `http/forms.py`, because its parser answers a
file that is no picture with a masked 500, follows URLs, and has no limit: it took a body of 60 MB.
Errors are written in `http/errors.py`, because its own come in two shapes. Batches are made in
`batching.py`, because its dispatcher refused 2,105 of 2,230 requests at 16 connections. Each kind
of request has its own threads (`http/worker_pools.py`), because its threads and its limit of
requests are shared by all endpoints. Requests come to this service's layers first (`Outermost`),
and POST requests go past its routing (`DirectRouting`): each saves a fifth of the work beside the
inference. Its access log, HTTP metrics and tracing are off:
they cost as much as the rest of that work, and every path ever asked for becomes a label.
`docs/figures.md` has the figures.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import bentoml
import numpy as np
from bentoml.exceptions import BentoMLException
from starlette.types import ASGIApp

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.edit.corrections import CorrectionsFile
from interpret.explain.answers import Classification, Explanation
from interpret.model.images import decode
from interpret.model.predictor import Pixels
from serving.answers import (
    AnsweredPicture,
    BatchAnswer,
    FeedbackKept,
    Prototypes,
    Query,
    RefusedPicture,
    Similar,
)
from serving.batching import Steps
from serving.engine import Engine, EngineHolder, check_device, spare_the_collector
from serving.feedback import picture_ids
from serving.http.access import Access
from serving.http.bodies import too_large
from serving.http.endpoint import DirectRouting, Outermost, endpoint, many_pictures
from serving.http.errors import ErrorSchema, ServiceError, of_input
from serving.http.openapi import describe
from serving.http.routes import routes
from serving.http.worker_pools import Tickets, WorkerPool
from serving.packing import image, labels
from serving.schemas import (
    BatchForm,
    ExplainForm,
    FeedbackForm,
    PageForm,
    Picture,
    PredictForm,
    SimilarForm,
)
from serving.settings import Settings
from serving.telemetry.later import later
from serving.telemetry.logs import LOG, REQUEST_ID, set_formats
from serving.telemetry.metrics import metrics, share_folder

SETTINGS = Settings.read()
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")  # BentoML tells its makers of each start


def _service() -> Dpnp:
    running: Dpnp = bentoml.get_current_service()
    return running


def _finer(form: ExplainForm) -> str | None:
    return "fine" if form.fine else None


def _no_feedback(settings: Settings) -> ServiceError | None:
    if settings.feedback is not None:
        return None
    message = "this service collects no feedback; DPNP_FEEDBACK names a file for it"
    return ServiceError(404, "feedback_off", message)


def _document() -> dict[str, object]:
    feedback = SETTINGS.feedback is not None
    return describe(service.openapi_spec.asdict(), Dpnp.__doc__, feedback=feedback)


@bentoml.asgi_app(routes(_service, _document), path="/")
class Dpnp:
    """Classifies pictures by the nearest prototype, and shows what stands behind each answer."""

    def __init__(self) -> None:
        set_formats()
        spare_the_collector()
        self.settings = SETTINGS
        self.holder = EngineHolder(SETTINGS)
        room, quick = SETTINGS.max_concurrency, min(SETTINGS.max_concurrency, SETTINGS.max_batch)
        wait = SETTINGS.queue_seconds
        # A row at a time for each CPU; while a GPU infers, one more is read.
        rows = SETTINGS.process_threads + (self.holder.engine.about.device == "cuda")
        self.pools = {
            "predict": WorkerPool(rows, room, wait, lambda: self.holder.engine.row),
            # Rows half as long, so a flood of both leaves most to predictions.
            "explain": WorkerPool(
                min(rows, max(1, quick // 4)),
                room,
                wait,
                lambda: self.holder.engine.row // 2 or 1,
            ),
            "quick": WorkerPool(quick, room, wait),
            # A finer map takes up to 17 inferences: few at once, and those that wait leave most of
            # the room to other explanations.
            "fine": WorkerPool(max(1, quick // 8), max(2, room // 4), wait),
            # Of many pictures: their bodies are large, so few are read at once.
            "batch": WorkerPool(2, max(2, room // 4), wait),
        }
        # Decoding is heavy too: no more pictures at once than there are CPUs.
        self._decoding = Tickets(SETTINGS.process_threads)
        self._decoders = ThreadPoolExecutor(SETTINGS.process_threads)  # of a request of many
        self._stop = threading.Event()
        threading.Thread(target=self.holder.watch, args=(self._stop,), daemon=True).start()

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check() -> None:
        """Verify bundle and device once, before any worker starts: a bad one ends the server.

        A worker that fails would be started again and again by BentoML.
        """
        try:
            Bundle.load(SETTINGS.bundle_path)
            if SETTINGS.feedback is not None:
                CorrectionsFile(SETTINGS.feedback, create=True).close()
            check_device(SETTINGS)
        except DpnpError as error:
            raise BentoMLException(str(error)) from error
        set_formats()
        if SETTINGS.api_token is None:
            LOG.warning("no DPNP_API_TOKEN is set: only clients on this machine are answered")
            if "*" in SETTINGS.allow_origins:
                LOG.warning("DPNP_ALLOW_ORIGINS is *: any page open on this machine may ask")
        # uvicorn puts the client that a proxy names in the place of the proxy, in each worker.
        os.environ["FORWARDED_ALLOW_IPS"] = ",".join(SETTINGS.trusted_proxies)
        if SETTINGS.workers > 1:
            share_folder()
        # FAISS searches for one request at a time: its OpenMP threads would spin between two.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        # glibc keeps freed memory apart for many threads; with two such arenas it stays flat.
        os.environ.setdefault("MALLOC_ARENA_MAX", "2")
        # Workers of a built bento start in another folder than their parent.
        os.environ["DPNP_BUNDLE"] = str(SETTINGS.bundle_path)
        if SETTINGS.feedback is not None:
            os.environ["DPNP_FEEDBACK"] = str(SETTINGS.feedback_path)

    def __is_ready__(self) -> bool:
        """BentoML asks for /readyz."""
        return self.holder.ready

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """End the watch over the bundle's folder, and write what is still to be logged."""
        self._stop.set()
        later().flush()

    @endpoint(PredictForm, Classification, pool="predict")
    def predict(self, form: PredictForm) -> Steps[Classification]:
        """Classify a picture: its nearest prototypes, the margin, and whether to trust it."""
        engine = self.holder.engine
        pixels = self._pixels(engine, form.image)
        answer: Classification = yield engine.classification(pixels, form.top, form.probabilities)
        engine.count(answer)
        return answer

    @endpoint(BatchForm, BatchAnswer, pool="batch", route="/predict/batch", limits=many_pictures)
    def predict_batch(self, form: BatchForm) -> BatchAnswer:
        """Classify many pictures together; one that cannot be read has an error of its own."""
        engine = self.holder.engine
        read = self.decoded(engine, form.image)
        ids = picture_ids(REQUEST_ID.get() or "", len(read))
        good = {i: p for i, p in zip(ids, read, strict=True) if not isinstance(p, ServiceError)}
        answers: dict[str, Classification] = {}
        if good:
            prediction = engine.prediction(np.stack(list(good.values())), list(good))
            found = engine.explainer.answers(
                prediction, top=form.top, probabilities=form.probabilities
            )
            answers = dict(zip(good, found, strict=True))
        for answer in answers.values():
            engine.count(answer)
        results = [
            RefusedPicture(filename=sent.filename, error=pixels.info)
            if isinstance(pixels, ServiceError)
            else AnsweredPicture(filename=sent.filename, request_id=own, answer=answers[own])
            for sent, pixels, own in zip(form.image, read, ids, strict=True)
        ]
        return BatchAnswer(results=results)

    @endpoint(ExplainForm, Explanation, pool="explain", costly=_finer)
    def explain(self, form: ExplainForm) -> Steps[Explanation]:
        """Classify a picture, with the training images behind the answer and the evidence map."""
        engine = self.holder.engine
        pixels = self._pixels(engine, form.image)
        answer = engine.explainer.explained(
            pixels,
            (yield engine.evidence(pixels)),
            form.k,
            asked=(None, form.rival),
            top=form.top,
            probabilities=form.probabilities,
        )
        engine.count(answer)
        return engine.with_fine_evidence(answer, pixels) if form.fine else answer

    @endpoint(SimilarForm, Similar, pool="quick")
    def similar(self, form: SimilarForm) -> Similar:
        """Find the training images nearest to a picture or to a class's prototype."""
        engine = self.holder.engine
        if form.image is not None:
            query = Query(kind="image", label=None, k=form.k)
            pixels = self._pixels(engine, form.image)
            results = engine.explainer.similar_to_image(pixels, form.k)
        else:
            label = str(form.prototype)
            query = Query(kind="prototype", label=label, k=form.k)
            results = engine.explainer.similar_to_prototype(label, form.k)
        return Similar(query=query, results=results)

    @endpoint(PageForm, Prototypes, pool="quick")
    def prototypes(self, form: PageForm) -> Prototypes:
        """List the classes, each with its nearest rival, up to 1,000 at a time."""
        return self.holder.engine.prototypes(form.offset, form.limit)

    @endpoint(FeedbackForm, FeedbackKept, pool="quick", closed=_no_feedback)
    def feedback(self, form: FeedbackForm) -> FeedbackKept:
        """Collect the right label of a picture; the answer comes once it is on the disk."""
        engine, feedback = self.holder.engine, self.holder.feedback
        assert feedback is not None
        engine.explainer.bundle.class_index(form.label)
        if form.image is not None:
            correction = feedback.of_picture(engine.answered(self._pixels(engine, form.image)))
        else:
            correction = feedback.of_request(str(form.request_id))
        number = feedback.add(correction._replace(label=form.label))
        return FeedbackKept(
            id=number,
            label=form.label,
            answer=correction.answer,
            picture=correction.picture is not None,
            corrections=len(feedback),
            model=engine.model,
        )

    def decoded(self, engine: Engine, pictures: list[Picture]) -> list[Pixels | ServiceError]:
        """Each picture as the model takes it (S, S, 3), or why it cannot be read."""

        def read(picture: Picture) -> Pixels | ServiceError:
            try:
                if isinstance(picture.content, Exception):
                    raise picture.content
                if len(picture.content) > SETTINGS.max_bytes:
                    raise too_large(SETTINGS.max_bytes, "picture")
                return self._pixels(engine, picture.content)
            except (ServiceError, DpnpError) as error:
                return of_input(error)

        return list(self._decoders.map(read, pictures))

    def _pixels(self, engine: Engine, picture: bytes) -> Pixels:
        with metrics().decode.time(), self._decoding:
            return engine.explainer.preprocessing(decode(picture, SETTINGS.max_pixels))


service = bentoml.service(
    name="dpnp",
    labels=labels(SETTINGS.bundle_path),
    workers=SETTINGS.workers,
    http={"host": "127.0.0.1"},  # `--host` or BENTOML_HOST opens it to others
    traffic={"timeout": SETTINGS.upload_seconds + SETTINGS.queue_seconds + 60},
    # `Access` writes its own log and metrics. A file in BENTOML_CONFIG turns each of these on.
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
    image=image(),
)(Dpnp)


def _layers(app: ASGIApp) -> ASGIApp:
    """The application with this service's own layers around it."""
    endpoints = {api.route: api.func for api in service.apis.values()}
    return Access(ErrorSchema(DirectRouting(app, endpoints)), SETTINGS)


service.add_asgi_middleware(Outermost, layers=_layers)
