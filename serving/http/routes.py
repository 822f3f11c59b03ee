"""The routes beside BentoML's POST endpoints: thumbnails, map, metrics, reload and the explorer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anyio import to_thread
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from interpret.bundle.errors import DpnpError, UnknownExampleError
from serving.engine import Running
from serving.http.access import PAGE
from serving.http.errors import ServiceError, refusal
from serving.schemas import Reload
from serving.telemetry.metrics import metrics

_MAGIC = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG", "image/png"), (b"RIFF", "image/webp"))
# Nothing from elsewhere, nothing inline: not even a hostile class name could run as a script.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NOT_SNIFFED = {"x-content-type-options": "nosniff"}


class _Explorer(StaticFiles):
    """The page's files, under a strict policy."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(
            {
                "content-security-policy": _POLICY,
                "referrer-policy": "no-referrer",
                "cache-control": "no-cache",  # asked for again, and not sent again
                **_NOT_SNIFFED,
            }
        )
        return response


def routes(running: Callable[[], Running], describe: Callable[[], dict[str, object]]) -> Starlette:
    """The application that is mounted beside the endpoints."""

    async def gallery(request: Request) -> Response:
        try:
            thumbnail = _thumbnail(running(), request.path_params["example_id"])
        except UnknownExampleError as error:
            return refusal(error)
        kind = next((kind for magic, kind in _MAGIC if thumbnail.startswith(magic)), None)
        return Response(
            thumbnail, media_type=kind or "application/octet-stream", headers=_NOT_SNIFFED
        )

    async def view(request: Request) -> Response:
        return Response(running().engine.map, media_type="application/json")

    async def docs(request: Request) -> Response:
        return JSONResponse(describe())

    async def numbers(request: Request) -> Response:
        return Response(await to_thread.run_sync(metrics().text), media_type=CONTENT_TYPE_LATEST)

    async def reload(request: Request) -> Response:
        try:
            swapped = await to_thread.run_sync(running().reload)
        except DpnpError as error:
            return ServiceError(409, "bad_bundle", str(error)).response()
        answer = Reload(swapped=swapped, model=running().engine.model)
        return Response(answer.model_dump_json(), media_type="application/json")

    return Starlette(
        routes=[
            Route("/gallery/{example_id}", gallery),
            Route("/map", view),
            # Mounted apps come before BentoML's own /docs.json, which knows nothing of our errors.
            Route("/docs.json", docs),
            Route("/metrics", numbers),
            Route("/admin/reload", reload, methods=["POST"]),
            Mount(PAGE, _Explorer(directory=Path(__file__).parents[1] / "page", html=True)),
        ]
    )


def _thumbnail(running: Running, example_id: str) -> bytes:
    bundle = running.engine.explainer.bundle
    if not (example_id.isascii() and example_id.isdigit() and len(example_id) < 19):
        raise UnknownExampleError(f"no training image {example_id[:40]!r} in the gallery")
    return bundle.gallery.thumbnails[bundle.gallery_row(int(example_id))]
