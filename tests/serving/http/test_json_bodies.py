"""Reading a body of JSON: pictures in base64."""

import base64
import json

import pytest

from serving.http.errors import ServiceError
from serving.schemas import BatchForm, ExplainForm, Picture
from tests.serving.http.test_forms import JSON, parse

PNG64 = base64.b64encode(b"\x89PNG").decode()


@pytest.mark.parametrize(
    "image", [PNG64, f"data:image/png;base64,{PNG64}", f" {PNG64[:4]}\r\n{PNG64[4:]}\n"]
)
def test_json_holds_the_picture_in_base64(image: str) -> None:
    sent = json.dumps({"image": image, "k": 3, "rival": None, "probabilities": True})
    form = parse(ExplainForm, sent.encode(), content_type="application/json; charset=utf-8")
    assert (form.image, form.k, form.rival) == (b"\x89PNG", 3, None)
    assert form.probabilities is True


def test_many_pictures_in_json() -> None:
    sent = json.dumps({"image": [PNG64, "http://x/", 1]}).encode()
    form = parse(BatchForm, sent, content_type=JSON, pictures=3)
    assert form.image[0] == Picture(None, b"\x89PNG")
    assert [str(each.content) for each in form.image[1:]] == [
        "image: is no base64, and addresses are not fetched",
        "image: must be a file (a part with a filename), or base64 in JSON",
    ]
    with pytest.raises(ServiceError, match="more than 2 pictures"):
        parse(BatchForm, sent, content_type=JSON, pictures=2)
    for nothing in (b"{}", b'{"image": []}'):
        with pytest.raises(ServiceError, match="image: Field required"):
            parse(BatchForm, nothing, content_type=JSON, pictures=2)


def test_a_large_picture_in_json() -> None:
    content = b"\x89PNG" * 2**19
    sent = json.dumps({"image": base64.b64encode(content).decode(), "k": 3}).encode()
    form = parse(ExplainForm, sent, content_type=JSON, max_bytes=2**22)
    assert (form.image, form.k) == (content, 3)
