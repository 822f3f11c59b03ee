"""The steps that every POST endpoint shares: admit, read the form, work, answer or refuse."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

import bentoml
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from interpret.bundle.errors import DpnpError
from interpret.explain.answers import Classification
from serving.engine import EngineHolder
from serving.http import forms
from serving.http.errors import ServiceError, refusal
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


def endpoint(
    form: type[F],
    answer: type[BaseModel],
    *,
    pool: str,
    closed: Callable[[Settings], ServiceError | None] = lambda settings: None,
) -> Callable[[Callable[[Any, F], BaseModel]], Any]:
    """Make a method, which takes a checked form and returns an answer, a BentoML API at /NAME.

    The method and the writing of its answer's JSON run in a thread of the pool. A ServiceError or
    a DpnpError becomes an answer in the error schema. `closed` refuses every request where the
    settings do not open the endpoint; no body is read then.
    """

    def decorate(method: Callable[[Any, F], BaseModel]) -> Any:
        async def handle(self: Host, request: Request) -> Response:
            settings, threads = self.settings, self.pools[pool]

            def work(fields: F, handed_over: float) -> str:
                metrics().queue.observe(time.perf_counter() - handed_over)
                result = method(self, fields)
                if isinstance(result, Classification):
                    request.scope["dpnp.log"] |= {"label": result.label, "verdict": result.verdict}
                return result.model_dump_json()

            response: Response
            try:
                if (shut := closed(settings)) is not None:
                    raise shut
                with threads.place():
                    with metrics().upload.time():
                        fields = await forms.read(
                            request, form, settings.max_bytes, settings.upload_seconds
                        )
                    body = await threads.run(partial(work, fields, time.perf_counter()))
                response = Response(body, media_type="application/json")
            except (ServiceError, DpnpError) as error:
                response = refusal(error)
            response.headers[MODEL_HEADER] = self.holder.engine.model.fingerprint
            return response

        handle.__name__, handle.__doc__ = method.__name__, method.__doc__
        handle.__module__ = method.__module__
        return bentoml.api(handle, input_spec=form, output_spec=answer)

    return decorate


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
        response = await handle(bentoml.get_current_service(), Request(scope, receive))
        await response(scope, receive, send)
