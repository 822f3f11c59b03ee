"""Reading a body: what is refused, and that nothing else than a ServiceError ever comes out."""

import asyncio
from collections.abc import Iterable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from serving.http.errors import ServiceError
from serving.http.forms import read
from serving.schemas import ExplainForm, Form, PredictForm, SimilarForm

MULTIPART = "multipart/form-data; boundary=XX"


def body(**parts: str | bytes) -> bytes:
    """A multipart body; bytes become a file."""
    request = httpx.Request(
        "POST",
        "http://x",
        headers={"content-type": MULTIPART},
        files={k: (None if isinstance(v, str) else "name", v) for k, v in parts.items()},
    )
    return request.read()


def request_of(
    chunks: Iterable[bytes], content_type: str | None, length: int | None = None
) -> Request:
    messages = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    headers = [(b"content-type", content_type.encode())] if content_type is not None else []
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    pending = iter(messages)

    async def receive() -> dict:
        return next(pending)

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def parse(
    form: type[Form],
    *chunks: bytes,
    content_type: str | None = MULTIPART,
    length: int | None = None,
    max_bytes: int = 10_000,
) -> Form:
    return asyncio.run(read(request_of(chunks, content_type, length), form, max_bytes, 5))


def test_fields_arrive_in_any_chunking() -> None:
    whole = body(image=b"\x89PNG\r\n--X", k="3")
    form = parse(ExplainForm, *[whole[i : i + 1] for i in range(len(whole))])
    assert (form.image, form.k) == (b"\x89PNG\r\n--X", 3)


LARGE = body(image=b"x" * 20_000)
REFUSED = {
    "no type": (PredictForm, body(image=b"x"), {"content_type": None}, 400),
    "json": (PredictForm, b"{}", {"content_type": "application/json"}, 415),
    "raw picture": (PredictForm, b"\x89PNG", {"content_type": "image/png"}, 415),
    "no boundary": (PredictForm, body(image=b"x"), {"content_type": "multipart/form-data"}, 400),
    "other boundary": (
        PredictForm,
        body(image=b"x"),
        {"content_type": "multipart/form-data; boundary=YY"},
        400,
    ),
    "cut off": (PredictForm, body(image=b"x" * 100)[:120], {}, 400),
    "empty": (PredictForm, b"", {}, 400),
    "nameless part": (PredictForm, b"--XX\r\n\r\nx\r\n--XX--\r\n", {}, 400),
    "too long": (PredictForm, LARGE, {}, 413),
    "announced too long": (PredictForm, b"", {"length": 10_001}, 413),
    "longer than announced": (PredictForm, LARGE, {"length": 10}, 413),
    "many fields": (PredictForm, body(**{f"f{i}": "" for i in range(40)}), {}, 400),
    "no image": (PredictForm, body(picture=b"x"), {}, 422),
    "text for image": (PredictForm, body(image="http://127.0.0.1/x.png"), {}, 422),
    "k 0": (ExplainForm, body(image=b"x", k="0"), {}, 422),
    "k -1": (ExplainForm, body(image=b"x", k="-1"), {}, 422),
    "k 101": (ExplainForm, body(image=b"x", k="101"), {}, 422),
    "k abc": (ExplainForm, body(image=b"x", k="abc"), {}, 422),
    "two files": (ExplainForm, body(image=b"x", k=b"\xff"), {}, 400),
    "both": (SimilarForm, body(image=b"x", prototype="red"), {}, 422),
    "neither": (SimilarForm, body(k="3"), {}, 422),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    form, content, options, status = REFUSED[name]
    with pytest.raises(ServiceError) as caught:
        parse(form, content, **options)
    assert caught.value.status == status


def test_two_images_are_refused() -> None:
    part = b'--XX\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nx\r\n'
    with pytest.raises(ServiceError, match="Too many files"):
        parse(PredictForm, part + part + b"--XX--\r\n")


def test_fields_at_fault_are_named() -> None:
    with pytest.raises(ServiceError, match="image: Field required; k: Input should be") as caught:
        parse(ExplainForm, body(k="0"))
    assert [row["field"] for row in caught.value.detail] == ["image", "k"]
    with pytest.raises(ServiceError, match="exactly one of image and prototype, not both"):
        parse(SimilarForm, body(image=b"x", prototype="red"))


def test_a_body_that_does_not_arrive_is_a_408() -> None:
    request = request_of([], MULTIPART)

    async def never() -> dict:
        await asyncio.sleep(30)
        raise AssertionError

    request._receive = never
    with pytest.raises(ServiceError, match=r"0\.01 seconds") as caught:
        asyncio.run(read(request, PredictForm, 1000, 0.01))
    assert caught.value.status == 408


def test_a_client_that_leaves_is_a_400() -> None:
    request = request_of([], MULTIPART)

    async def gone() -> dict:
        return {"type": "http.disconnect"}

    request._receive = gone
    with pytest.raises(ServiceError, match="ends early"):
        asyncio.run(read(request, PredictForm, 1000, 5))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good body with a slice replaced by other bytes."""
    good = body(image=b"\x89PNG", k="3", prototype="red")
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(good))] * 2)))
    return good[:start] + draw(st.binary(max_size=20)) + good[end:]


@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(st.binary(max_size=300), damaged()),
    content_type=st.one_of(
        st.just(MULTIPART),
        st.just("application/x-www-form-urlencoded"),
        st.text(st.characters(max_codepoint=126, min_codepoint=32)).map(
            "multipart/form-data; boundary={}".format
        ),
    ),
)
def test_any_body_is_a_form_or_a_refusal(content: bytes, content_type: str) -> None:
    try:
        form = parse(SimilarForm, content, content_type=content_type)
    except ServiceError as error:
        status = error.status
    else:
        status = 200
        assert (form.image is None) != (form.prototype is None)
    assert status in {200, 400, 422}
