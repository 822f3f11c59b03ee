import warnings
from collections.abc import Iterator

import httpx
import pytest

with warnings.catch_warnings():
    # BentoML's own imports warn (pathspec); all warnings after them are errors.
    warnings.simplefilter("ignore")
    from bentoml import SyncHTTPClient  # noqa: F401

    import serving.service  # noqa: F401


from interpret.bundle.bundle import Bundle
from tests.serving.servers import Server, serve


@pytest.fixture(scope="session")
def server(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server over the toy bundle, started once."""
    log = tmp_path_factory.mktemp("server") / "log"
    with serve(log, DPNP_BUNDLE=toy_bundle.path, DPNP_MAX_BYTES=200_000) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client
