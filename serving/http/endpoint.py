"""What every POST endpoint does around its own few lines: admit, read, work, answer or refuse."""

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
from serving.http import forms
from serving.http.errors import ServiceError, refusal
from serving.http.worker_pools import Lane
from serving.schemas import Form
from serving.settings import Settings
from serving.telemetry.metrics import metrics

F = TypeVar("F", bound=Form)


class Host(Protocol):
    """What an endpoint needs of its service."""

    settings: Settings
    lanes: dict[str, Lane]


def endpoint(
    form: type[F], answer: type[BaseModel], *, lane: str
) -> Callable[[Callable[[Any, F], BaseModel]], Any]:
    """Make a method, checked form in and answer out, a BentoML API at /NAME.

    The method runs in a thread of its lane, its answer's JSON too; ServiceError and DpnpError
    become answers in the error schema.
    """

    def decorate(method: Callable[[Any, F], BaseModel]) -> Any:
        async def handle(self: Host, request: Request) -> Response:
            limits, chosen = self.settings, self.lanes[lane]

            def work(fields: F, handed_over: float) -> str:
                metrics().queue.observe(time.perf_counter() - handed_over)
                result = method(self, fields)
                if isinstance(result, Classification):
                    request.scope["dpnp.log"] |= {"label": result.label, "verdict": result.verdict}
                return result.model_dump_json()

            try:
                with chosen.place():
                    with metrics().upload.time():
                        fields = await forms.read(
                            request, form, limits.max_bytes, limits.upload_seconds
                        )
                    body = await chosen.run(partial(work, fields, time.perf_counter()))
            except (ServiceError, DpnpError) as error:
                return refusal(error)
            return Response(body, media_type="application/json")

        handle.__name__, handle.__doc__ = method.__name__, method.__doc__
        handle.__module__ = method.__module__
        return bentoml.api(handle, input_spec=form, output_spec=answer)

    return decorate


class Direct:
    """ASGI middleware that hands POST requests to their endpoints, past BentoML's way to them.

    Its context, its router and its wrapper would read the body and write the answer, both of which
    is done here: without them a request takes a fifth less time beside the inference. BentoML's
    own routes to the endpoints stay, for its document and for a path prefix.
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
