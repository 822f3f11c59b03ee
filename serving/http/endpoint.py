"""The steps that every POST endpoint shares: admit, read the form, work, answer or refuse."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

import bentoml
from bentoml import get_current_service  # looked up once: the package finds it anew each time
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from interpret.bundle.errors import DpnpError
from interpret.explain.answers import Classification
from serving.answers import AnsweredPicture, BatchAnswer
from serving.batching import Steps
from serving.engine import EngineHolder
from serving.http import forms
from serving.http.bodies import BodyLimits
from serving.http.errors import ServiceError, refusal
from serving.http.first_headers import DirectRequest
from serving.http.worker_pools import WorkerPool
from serving.schemas import Form
from serving.settings import Settings
from serving.telemetry.metrics import metrics

MODEL_HEADER = "x-model-fingerprint"  # in every answer that depends on the bundle

F = TypeVar("F", bound=Form)


class Host(Protocol):
    """What an endpoint needs of its service."""

    settings: Settings
    pools: dict[str, WorkerPool]
    holder: EngineHolder


def one_picture(settings: Settings) -> BodyLimits:
    """The limits of a body with one picture."""
    return BodyLimits(settings.max_bytes, settings.upload_seconds)


def many_pictures(settings: Settings) -> BodyLimits:
    """The limits of a body with many pictures."""
    return BodyLimits(settings.max_batch_bytes, settings.upload_seconds, settings.max_pictures)


def endpoint(
    form: type[F],
    answer: type[BaseModel],
    *,
    pool: str,
    costly: Callable[[F], str | None] = lambda fields: None,
    route: str | None = None,
    limits: Callable[[Settings], BodyLimits] = one_picture,
    closed: Callable[[Settings], ServiceError | None] = lambda settings: None,
) -> Callable[[Callable[[Any, F], BaseModel | Steps[Any]]], Any]:
    """Make a method, which takes a checked form and returns an answer, a BentoML API.

    Its address is `route`, or /NAME. `limits` are those of its body.

    The method and the writing of its answer's JSON run in a thread of the pool. A method that
    asks the network in `Steps` does so together with others of its row. A ServiceError or
    a DpnpError becomes an answer in the error schema. `costly` names a second pool for a form that
    asks for more work: its request takes a place and a thread of that one. `closed` refuses every
    request where the settings do not open the endpoint; no body is read then.
    """

    def decorate(method: Callable[[Any, F], BaseModel | Steps[Any]]) -> Any:
        async def handle(self: Host, request: Request) -> Response:
            settings, threads = self.settings, self.pools[pool]

            def written(result: BaseModel) -> str:
                request.scope["dpnp.log"] |= _told(result)
                return result.model_dump_json()

            def work(fields: F, handed_over: float) -> str | Steps[str]:
                metrics().queue.observe(time.perf_counter() - handed_over)
                result = method(self, fields)
                return written(result) if isinstance(result, BaseModel) else _then(result, written)

            response: Response
            try:
                if (shut := closed(settings)) is not None:
                    raise shut
                with threads.place():
                    with metrics().upload.time():
                        fields = await forms.read(request, form, limits(settings))
                    task = partial(work, fields, time.perf_counter())
                    if (second := costly(fields)) is None:
                        body = await threads.run(task)
                    else:
                        with self.pools[second].place():
                            body = await self.pools[second].run(task)
                response = Response(body, media_type="application/json")
            except (ServiceError, DpnpError) as error:
                response = refusal(error)
            response.headers[MODEL_HEADER] = self.holder.engine.model.fingerprint
            return response

        handle.__name__, handle.__doc__ = method.__name__, method.__doc__
        handle.__module__ = method.__module__
        return bentoml.api(handle, route=route, input_spec=form, output_spec=answer)

    return decorate


def _then(steps: Steps[BaseModel], written: Callable[[BaseModel], str]) -> Steps[str]:
    return written((yield from steps))


def _told(answer: BaseModel) -> dict[str, object]:
    """What an answer adds to its request's line in the log."""
    if isinstance(answer, Classification):
        return {"label": answer.label, "verdict": answer.verdict}
    if isinstance(answer, BatchAnswer):
        read = sum(isinstance(result, AnsweredPicture) for result in answer.results)
        return {"pictures": read, "refused": len(answer.results) - read}
    return {}


class Outermost:
    """ASGI middleware that brings `layers` before all that BentoML puts around an application.

    BentoML sets a timer, starts a task and asks its tracing about each request, before it hands
    it to a middleware that was added. So this one replaces the application's stack when it starts.
    """

    def __init__(self, app: ASGIApp, layers: Callable[[ASGIApp], ASGIApp]) -> None:
        self._app, self._layers = app, layers
        self._inside: ASGIApp | None = layers(app)  # where no start is announced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan" and self._inside is not None:
            whole = scope["app"]
            whole.middleware_stack, self._inside = self._layers(whole.middleware_stack), None
        await (self._inside or self._app)(scope, receive, send)


class DirectRouting:
    """ASGI middleware that calls the endpoints itself, without BentoML's routing.

    BentoML's context, router and wrapper would read the body and write the answer. The endpoints
    do both themselves, and a request takes a fifth less time beside the inference when it goes
    past them. BentoML's own routes to the endpoints stay: its document lists them, and they answer
    below a path prefix.
    """

    def __init__(
        self, app: ASGIApp, endpoints: Mapping[str, Callable[[Any, Request], Awaitable[Response]]]
    ) -> None:
        self._app, self._endpoints = app, endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        handle = None
        if scope["type"] == "http" and scope["method"] == "POST":
            handle = self._endpoints.get(scope["path"])
        if handle is None:
            await self._app(scope, receive, send)
            return
        response = await handle(get_current_service(), DirectRequest(scope, receive))
        await response(scope, receive, send)
