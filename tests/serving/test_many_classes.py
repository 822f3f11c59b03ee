"""A model of 1,200 classes: answers that do not grow, pages of prototypes, the page's search."""

from collections.abc import Iterator

import httpx
import numpy as np
import onnx.parser
import pytest

from interpret.bundle.bundle import write_bundle
from interpret.geometry.packing import random_directions
from interpret.model.onnx_head import with_prototypes
from tests.conftest import TOY_MODEL, toy_gallery, toy_manifest
from tests.serving.browser import browse, needs_chromium
from tests.serving.servers import RED, Server, plain, serve, upload

CLASSES = 1200


@pytest.fixture(scope="module")
def prototypes() -> np.ndarray:
    return random_directions(CLASSES, 3, seed=0).astype(np.float32)


@pytest.fixture(scope="module")
def many(prototypes: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("many")
    gallery, embeddings = toy_gallery()
    model = onnx.parser.parse_model(TOY_MODEL).SerializeToString()
    bundle = write_bundle(
        folder / "toy",
        toy_manifest(class_names=[f"class {i:04}" for i in range(CLASSES)]),
        model=with_prototypes(model, prototypes, 1.0),
        prototypes=prototypes,
        embeddings=embeddings,
        gallery=gallery,
        weights=b"",
    )
    with serve(folder / "log", DPNP_BUNDLE=bundle.path) as running:
        yield running


def get(server: Server, **query: int) -> httpx.Response:
    return httpx.get(f"{server.url}/prototypes", params=query, timeout=20)


def test_pages(many: Server, prototypes: np.ndarray):
    first = get(many).json()
    assert (first["total"], first["offset"], len(first["prototypes"])) == (CLASSES, 0, 1000)
    last = get(many, offset=1000).json()
    assert [each["index"] for each in last["prototypes"]] == list(range(1000, CLASSES))
    between = np.linalg.norm(prototypes[:, None].astype(float) - prototypes, axis=2)
    np.fill_diagonal(between, np.inf)
    every = first["prototypes"] + last["prototypes"]
    assert [each["rival"]["index"] for each in every] == between.argmin(1).tolist()
    distances = [each["rival"]["distance"] for each in every]
    np.testing.assert_allclose(distances, between.min(1), atol=1e-6)
    [one] = get(many, offset=7, limit=1).json()["prototypes"]
    assert one == every[7]
    assert get(many, offset=CLASSES).json()["prototypes"] == []


def test_post_takes_the_page_from_address_or_json(many: Server):
    url, query = f"{many.url}/prototypes", {"offset": 5, "limit": 2}
    expected = get(many, **query).json()
    assert httpx.post(url, params=query).json() == expected
    assert httpx.post(url, json=query).json() == expected
    assert httpx.post(url, headers={"content-type": "application/json"}).json() == get(many).json()


@pytest.mark.parametrize("query", [{"offset": -1}, {"limit": 0}, {"limit": 1001}, {"limit": "x"}])
def test_a_page_out_of_range(many: Server, query: dict):
    for answer in (get(many, **query), httpx.post(f"{many.url}/prototypes", params=query)):
        assert answer.status_code == 422
        assert answer.json()["error"]["detail"][0]["field"] == next(iter(query))


def test_an_answer_does_not_grow_with_the_classes(
    many: Server, server: Server, prototypes: np.ndarray
):
    content, few = [
        httpx.post(f"{each.url}/predict", files=upload(plain(RED))).content
        for each in (many, server)
    ]
    assert len(content) < len(few) + 400
    answer = httpx.post(f"{many.url}/predict", files=upload(plain(RED))).json()
    away = np.linalg.norm(prototypes.astype(float) - [1, 0, 0], axis=1)
    assert [each["index"] for each in answer["prototypes"]] == away.argsort()[:5].tolist()


@needs_chromium
def test_the_page_searches_all_classes(many: Server):
    with browse(f"{many.url}/ui/") as page:
        page.wait("$('#classes').children.length === 200")
        assert page.text("#found") == "1,200 classes, the first 200 shown"
        page.fill("#search", "119")
        assert page.text("#found") == "12 of 1,200 classes"
        page.fill("#search", "1199")
        page.run("$('#classes button').click()")  # its rival is in no page that was read
        page.wait("$('#prototype').textContent.startsWith('class 1199: its training images')")
        assert page.run("return $('#classes button').ariaPressed") == "true"
