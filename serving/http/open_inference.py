"""The Open Inference Protocol v2 (KServe, Triton): /v2, for clients that speak it already."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from interpret import __version__
from interpret.bundle.errors import DpnpError
from interpret.model.predictor import Pixels, Prediction
from serving.engine import Engine
from serving.http.bodies import Arriving, whole
from serving.http.endpoint import MODEL_HEADER, Host
from serving.http.errors import ServiceError, refusal
from serving.http.forms import invalid, too_many_pictures
from serving.http.tensors import (
    HEADER_LENGTH,
    IMAGE,
    PIXELS,
    InferAnswer,
    InferRequest,
    OutputTensor,
    parsed,
    pictures,
    written,
)
from serving.schemas import Picture
from serving.telemetry.metrics import metrics

PREFIX = "/v2"
_EVIDENCE = "evidence"


class DecodingHost(Host, Protocol):
    """A service that decodes pictures."""

    def decoded(self, engine: Engine, pictures: list[Picture]) -> list[Pixels | ServiceError]:
        """Each picture as the model takes it (S, S, 3), or why it cannot be read."""


def open_inference(service: Callable[[], DecodingHost]) -> list[BaseRoute]:
    """The protocol's routes. The model's name is the bundle's, its version the fingerprint."""

    async def server(request: Request) -> Response:
        return JSONResponse(
            {"name": "dpnp", "version": __version__, "extensions": ["binary_tensor_data"]}
        )

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        is_ready = service().holder.ready
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    async def model(request: Request) -> Response:
        engine = service().holder.engine
        return _of(engine, request, metadata(engine))

    async def model_ready(request: Request) -> Response:
        engine = service().holder.engine
        return _of(engine, request, {"name": engine.model.name, "ready": True})

    async def infer(request: Request) -> Response:
        host = service()
        settings = host.settings
        length = request.headers.get("content-length", "")
        # A small request waits with /predict, a large one with /predict/batch.
        small = length.isdecimal() and int(length) <= settings.max_bytes
        threads = host.pools["quick" if small else "batch"]
        try:
            with threads.place():
                with metrics().upload.time():
                    async with Arriving(settings.upload_seconds):
                        body = await whole(request, settings.max_batch_bytes)
                work = partial(_infer, host, request, body, time.perf_counter())
                return await threads.run(work)
        except (ServiceError, DpnpError) as error:
            response = refusal(error)
            response.headers[MODEL_HEADER] = host.holder.engine.model.fingerprint
            return response

    routes: list[BaseRoute] = [
        Route(PREFIX, server),
        Route(f"{PREFIX}/health/live", live),
        Route(f"{PREFIX}/health/ready", ready),
    ]
    for base in ("/models/{name}", "/models/{name}/versions/{version}"):
        routes += [
            Route(PREFIX + base, model),
            Route(f"{PREFIX}{base}/ready", model_ready),
            Route(f"{PREFIX}{base}/infer", infer, methods=["POST"]),
        ]
    return routes


def metadata(engine: Engine) -> dict[str, Any]:
    """The model's inputs and outputs; -1 stands for the number of pictures.

    A request has one of the two inputs.
    """
    manifest = engine.explainer.bundle.manifest
    size = manifest.input_size
    return {
        "name": engine.model.name,
        "versions": [engine.model.fingerprint],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": PIXELS, "datatype": "UINT8", "shape": [-1, size, size, 3]},
            {"name": IMAGE, "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": name, "datatype": datatype, "shape": [-1, *shape]}
            for name, (datatype, shape) in _outputs(engine).items()
        ],
    }


def _outputs(engine: Engine) -> dict[str, tuple[str, list[int]]]:
    manifest = engine.explainer.bundle.manifest
    classes, d, grid = len(manifest.class_names), manifest.embedding_dim, manifest.evidence
    maps = {_EVIDENCE: ("FP32", [d, grid.rows, grid.cols])} if grid else {}
    return {
        "label": ("BYTES", []),
        "index": ("INT64", []),
        "verdict": ("BYTES", []),
        **{
            name: ("FP64", [])
            for name in ("ood_score", "max_distance", "margin", "min_margin", "novelty")
        },
        "probabilities": ("FP32", [classes]),
        "distances": ("FP32", [classes]),
        "embedding": ("FP32", [d]),
        **maps,
    }


def _of(engine: Engine, request: Request, answer: dict[str, Any]) -> Response:
    try:
        _check_name(engine, request)
    except ServiceError as error:
        return error.response()
    return JSONResponse(answer, headers={MODEL_HEADER: engine.model.fingerprint})


def _check_name(engine: Engine, request: Request) -> None:
    asked, model = request.path_params, engine.model
    if asked["name"] != model.name:
        message = f"no model {asked['name'][:80]!r} is served here; {model.name!r} is"
        raise ServiceError(404, "unknown_model", message)
    if asked.get("version", model.fingerprint) != model.fingerprint:
        message = f"no version {asked['version'][:80]!r} is served here; {model.fingerprint} is"
        raise ServiceError(404, "unknown_version", message)


def _infer(host: DecodingHost, request: Request, body: bytes, handed_over: float) -> Response:
    metrics().queue.observe(time.perf_counter() - handed_over)
    engine = host.holder.engine
    _check_name(engine, request)
    sent, behind = parsed(body, request.headers.get(HEADER_LENGTH), host.settings.max_bytes)
    known = _outputs(engine)
    names, binary = _wanted(sent, known)
    pixels = _pixels(host, engine, sent, behind)
    request.scope["dpnp.log"] |= {"pictures": len(pixels)}
    prediction = engine.explainer.predictor(pixels, evidence=_EVIDENCE in names)
    found = _found(engine, prediction)
    arrays = [found[name] for name in names]
    answer = InferAnswer(
        model_name=engine.model.name,
        model_version=engine.model.fingerprint,
        id=sent.id,
        outputs=[
            OutputTensor(name=name, datatype=known[name][0], shape=list(array.shape))
            for name, array in zip(names, arrays, strict=True)
        ],
    )
    content, json_length = written(answer, arrays, binary)
    headers = {MODEL_HEADER: engine.model.fingerprint}
    if json_length is None:
        return Response(content, media_type="application/json", headers=headers)
    headers[HEADER_LENGTH] = str(json_length)
    return Response(content, media_type="application/octet-stream", headers=headers)


def _wanted(sent: InferRequest, known: dict[str, Any]) -> tuple[list[str], list[bool]]:
    """The names of the outputs, and which of them follow the JSON."""
    default = sent.parameters.binary_data_output
    if sent.outputs is None:
        names = [name for name in known if name != _EVIDENCE]
        return names, [default] * len(names)
    for output in sent.outputs:
        if output.name not in known:
            raise invalid(
                "outputs", f"no output {output.name[:80]!r}; there are {', '.join(known)}"
            )
        if output.parameters.classification:
            raise invalid(
                "outputs", "classification is not supported: ask for label, probabilities"
            )
    names = [output.name for output in sent.outputs]
    if len(set(names)) < len(names):  # each would be written anew, for every picture
        raise invalid("outputs", "an output may be asked for once")
    asked = [output.parameters.binary_data for output in sent.outputs]
    return names, [default if each is None else each for each in asked]


def _pixels(host: DecodingHost, engine: Engine, sent: InferRequest, behind: bytes) -> Pixels:
    limit = host.settings.max_pictures
    if sent.inputs[0].shape[:1] > [limit]:
        raise too_many_pictures(limit)
    found = pictures(sent, behind, engine.explainer.predictor.input_size)
    if not len(found):
        raise invalid("inputs", "there is no picture in the request")
    if isinstance(found, np.ndarray):
        return found
    read: list[Pixels] = []
    for number, pixels in enumerate(host.decoded(engine, found)):
        if isinstance(pixels, ServiceError):
            message = f"picture {number}: {pixels}"
            raise ServiceError(pixels.status, pixels.code, message, pixels.detail)
        read.append(pixels)
    return np.stack(read)


def _found(engine: Engine, prediction: Prediction) -> dict[str, NDArray[Any]]:
    """Every output's array, a row for each picture."""
    answers = engine.explainer.answers(prediction)
    for answer in answers:
        engine.count(answer)
    limits = [answer.limits for answer in answers]
    found: dict[str, NDArray[Any]] = {
        "label": np.array([answer.label for answer in answers], object),
        "index": np.array([answer.index for answer in answers]),
        "verdict": np.array([answer.verdict for answer in answers], object),
        "novelty": np.array([answer.novelty for answer in answers]),
        "probabilities": prediction.probabilities,
        "distances": prediction.distances,
        "embedding": prediction.embedding,
    }
    for name in ("ood_score", "max_distance", "margin", "min_margin"):
        found[name] = np.array([getattr(each, name) for each in limits])
    if prediction.evidence is not None:
        found[_EVIDENCE] = prediction.evidence
    return found
