"""The routes beside BentoML's POST endpoints: thumbnails, map, metrics, reload and the explorer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anyio import to_thread
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from interpret.bundle.errors import BundleError, DpnpError, UnknownExampleError
from interpret.figures import palette
from interpret.figures.content_policy import EXPLORER
from interpret.model.picture_formats import media_type
from interpret.retrieval.gallery_access import remote_address
from serving.answers import Reload
from serving.engine import Engine, EngineHolder
from serving.http.access import PAGE
from serving.http.endpoint import MODEL_HEADER
from serving.http.errors import ServiceError, refusal
from serving.http.forms import of_address
from serving.http.open_inference import DecodingHost, open_inference
from serving.http.remote_gallery import fetched
from serving.schemas import PageForm
from serving.telemetry.logs import LOG
from serving.telemetry.metrics import metrics

_JSON = "application/json"
_PAGE_FILES = Path(__file__).parents[1] / "page"
_PAGE_HEADERS = {
    "content-security-policy": EXPLORER,
    "cache-control": "no-cache",  # asked for again, and not sent again
}


class _Explorer(StaticFiles):
    """The page's files, under a strict policy."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_PAGE_HEADERS)
        return response


def routes(
    service: Callable[[], DecodingHost], describe: Callable[[], dict[str, object]]
) -> Starlette:
    """The application that is mounted beside the endpoints."""

    def holder() -> EngineHolder:
        return service().holder

    return Starlette(
        routes=[
            *_page_routes(),
            *open_inference(service),
            *_bundle_routes(holder),
            *_service_routes(holder, describe),
        ]
    )


def _page_routes() -> list[BaseRoute]:
    """The explorer, in the place of BentoML's front page, which loads from another host."""

    async def to_page(request: Request) -> Response:
        return Response(status_code=307, headers={"location": f".{PAGE}/"})  # below any prefix

    async def nothing(request: Request) -> Response:
        raise HTTPException(404)

    async def colours(request: Request) -> Response:
        return Response(
            palette.explorer_style_sheet(), media_type="text/css", headers=_PAGE_HEADERS
        )

    return [
        Route("/", to_page),
        Route(PAGE, to_page),
        Route("/static_content/{file:path}", nothing),  # what BentoML's page is made of
        Route(f"{PAGE}/palette.css", colours),
        Mount(PAGE, _Explorer(directory=_PAGE_FILES, html=True)),
    ]


def _bundle_routes(holder: Callable[[], EngineHolder]) -> list[BaseRoute]:
    """What the bundle holds, without a question about a picture."""

    async def gallery(request: Request) -> Response:
        engine = holder().engine
        try:
            wanted = _wanted(engine, request.path_params["example_id"])
            thumbnail = await to_thread.run_sync(
                *((fetched, wanted) if isinstance(wanted, str) else (_stored, engine, wanted))
            )
        except (UnknownExampleError, ServiceError) as error:
            response: Response = refusal(error)
            response.headers[MODEL_HEADER] = engine.model.fingerprint
            return response
        return _of_bundle(request, engine, thumbnail, media_type(thumbnail))

    async def sphere_map(request: Request) -> Response:
        engine = holder().engine
        return _of_bundle(request, engine, engine.map, _JSON)

    async def prototypes(request: Request) -> Response:
        engine = holder().engine
        try:
            page = of_address(request, PageForm)
        except ServiceError as error:
            return refusal(error)
        found = await to_thread.run_sync(engine.prototypes, page.offset, page.limit)
        return _of_bundle(request, engine, found.model_dump_json().encode(), _JSON)

    async def model(request: Request) -> Response:
        engine = holder().engine
        headers = {MODEL_HEADER: engine.model.fingerprint}
        return Response(engine.about.model_dump_json(), media_type=_JSON, headers=headers)

    return [
        Route("/gallery/{example_id}", gallery),
        Route("/map", sphere_map),
        Route("/prototypes", prototypes),  # POST as well, by BentoML
        Route("/model", model),
    ]


def _service_routes(
    holder: Callable[[], EngineHolder], describe: Callable[[], dict[str, object]]
) -> list[BaseRoute]:
    """The service's own document, numbers and reload."""

    async def document(request: Request) -> Response:
        return JSONResponse(describe())

    async def numbers(request: Request) -> Response:
        return Response(await to_thread.run_sync(metrics().text), media_type=CONTENT_TYPE_LATEST)

    async def reload(request: Request) -> Response:
        try:
            swapped = await to_thread.run_sync(holder().reload)
        except DpnpError as error:
            return ServiceError(409, "bad_bundle", str(error)).response()
        answer = Reload(swapped=swapped, model=holder().engine.model)
        return Response(answer.model_dump_json(), media_type=_JSON)

    return [
        # Mounted apps come before BentoML's own /docs.json, which knows nothing of our errors.
        Route("/docs.json", document),
        Route("/metrics", numbers),
        Route("/admin/reload", reload, methods=["POST"]),
    ]


def _of_bundle(request: Request, engine: Engine, body: bytes, kind: str) -> Response:
    """What only a new bundle changes: browsers keep it, and ask with each use if it is still so."""
    fingerprint = engine.model.fingerprint
    headers = {
        "etag": f'"{fingerprint}"',
        "cache-control": "private, no-cache",
        MODEL_HEADER: fingerprint,
    }
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


def _wanted(engine: Engine, example_id: str) -> int | str:
    """A thumbnail's row, or the address that it is to be fetched from."""
    bundle = engine.explainer.bundle
    if not (example_id.isascii() and example_id.isdigit() and len(example_id) < 19):
        raise UnknownExampleError(f"no training image {example_id[:40]!r} in the gallery")
    row, mode = bundle.gallery_row(int(example_id)), bundle.manifest.gallery_mode
    if mode == "none":
        raise UnknownExampleError("this model comes without the pictures of its gallery")
    if mode == "remote":
        return remote_address(bundle.manifest, int(example_id))
    if not bundle.gallery.has_picture(row):
        raise UnknownExampleError(f"training image {example_id} came without a picture")
    return row


def _stored(engine: Engine, row: int) -> bytes:
    """A thumbnail of the bundle; a file of them is checked when its first one is read."""
    try:
        return engine.explainer.bundle.gallery.thumbnails[row]
    except BundleError as error:
        LOG.error("the gallery is damaged: %s", error)
        message = "the file of this picture was changed since the bundle was written"
        raise ServiceError(503, "gallery_damaged", message) from None
