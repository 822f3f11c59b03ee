from collections.abc import Iterator

import pytest

from interpret.bundle.bundle import Bundle
from tests.serving.servers import Server, serve


@pytest.fixture(scope="session")
def hurried(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives a body two seconds, and waits long for a thread on a busy machine."""
    folder = tmp_path_factory.mktemp("hurried")
    with serve(
        folder / "log",
        DPNP_BUNDLE=toy_bundle.path,
        DPNP_UPLOAD_SECONDS=2,
        DPNP_QUEUE_SECONDS=60,
        DPNP_FEEDBACK=folder / "feedback.db",
    ) as running:
        yield running
