"""Reading a body: what is refused, and that nothing else than a ServiceError ever comes out."""

import asyncio
import gzip
from collections.abc import Iterable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from serving.http.bodies import BodyLimits
from serving.http.errors import ServiceError
from serving.http.forms import read
from serving.schemas import BatchForm, ExplainForm, Form, Picture, PredictForm, SimilarForm

JSON = "application/json"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/form-data; boundary=XX"


def body(**parts: str | bytes) -> bytes:
    """A multipart body; bytes become a file."""
    request = httpx.Request(
        "POST",
        "http://localhost",
        headers={"content-type": MULTIPART},
        files={k: (None if isinstance(v, str) else "name", v) for k, v in parts.items()},
    )
    return request.read()


def request_of(
    chunks: Iterable[bytes],
    content_type: str | None,
    length: int | None = None,
    encoding: str | None = None,
    query: bytes = b"",
) -> Request:
    messages = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    headers = [(b"content-type", content_type.encode())] if content_type is not None else []
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    if encoding is not None:
        headers.append((b"content-encoding", encoding.encode()))
    pending = iter(messages)

    async def receive() -> dict:
        return next(pending)

    scope = {"type": "http", "method": "POST", "headers": headers, "query_string": query}
    return Request(scope, receive)


def parse(
    form: type[Form],
    *chunks: bytes,
    content_type: str | None = MULTIPART,
    length: int | None = None,
    max_bytes: int = 10_000,
    pictures: int = 1,
    **options: object,
) -> Form:
    request = request_of(chunks, content_type, length, **options)
    return asyncio.run(read(request, form, BodyLimits(max_bytes, 5, pictures)))


def test_fields_arrive_in_any_chunking() -> None:
    whole = body(image=b"\x89PNG\r\n--X", k="3")
    form = parse(ExplainForm, *[whole[i : i + 1] for i in range(len(whole))])
    assert (form.image, form.k) == (b"\x89PNG\r\n--X", 3)


@pytest.mark.parametrize("content_type", ["image/png", "IMAGE/whatever; x=y", OCTETS])
def test_the_body_is_the_picture(content_type: str) -> None:
    query = b"k=3&rival=dog%20%26%20cat&image=x"
    form = parse(ExplainForm, b"\x89", b"PNG", content_type=content_type, query=query)
    assert (form.image, form.k, form.rival) == (b"\x89PNG", 3, "dog & cat")


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", None])
def test_a_picture_without_its_type_is_known_by_its_bytes(content_type: str | None) -> None:
    """curl --data-binary says that a file is a form."""
    form = parse(ExplainForm, b"\x89PNG=1&k=3", content_type=content_type)
    assert (form.image, form.k) == (b"\x89PNG=1&k=3", 6)


def test_a_form_may_be_packed() -> None:
    packed = gzip.compress(body(image=b"a" * 5000, k="3"))
    chunks = [packed[i : i + 7] for i in range(0, len(packed), 7)]
    form = parse(ExplainForm, *chunks, encoding="gzip")
    assert (form.image, form.k) == (b"a" * 5000, 3)
    two = gzip.compress(b"\x89PNG") + gzip.compress(b"more")
    assert parse(PredictForm, two, encoding="x-gzip", content_type="image/png").image == (
        b"\x89PNGmore"
    )


def part(disposition: str, content: bytes) -> bytes:
    head = f"--XX\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode() + content + b"\r\n"


END = b"--XX--\r\n"


def test_empty_optional_fields_are_absent() -> None:
    image = part('name="image"; filename="a"', b"x")
    empty = part('name="k"', b"") + part('name="rival"', b"")
    assert parse(ExplainForm, image + empty + END).model_dump() == {
        "image": b"x",
        "k": 6,
        "rival": None,
        "fine": False,
        "top": 5,
        "probabilities": False,
    }
    no_file = part('name="image"; filename=""', b"")  # of a browser's form
    assert parse(SimilarForm, no_file + part('name="prototype"', b"red") + END).image is None
    assert parse(SimilarForm, image + part('name="prototype"', b"") + END).prototype is None


def test_many_pictures_keep_their_names_and_their_order() -> None:
    parts = [
        part('name="image"; filename="a.png"', b"1"),
        part("name=\"image\"; filename*=UTF-8''%C3%BC%22.png", b"2"),
        part('name="image"; filename="u.png"; filename*=UTF-8\'\'%C3%BC.png', b"3"),
        part('name="image"; filename=""', b""),
        part('name="top"', b"2"),
    ]
    form = parse(BatchForm, *parts, END, pictures=4)
    assert form.image == [
        Picture("a.png", b"1"),
        Picture("ü%22.png", b"2"),
        Picture("ü.png", b"3"),
        Picture("", b""),
    ]
    assert form.top == 2
    for limit in (2, 3):
        with pytest.raises(ServiceError, match=f"more than {limit} pictures") as caught:
            parse(BatchForm, *parts, END, pictures=limit)
        assert (caught.value.status, caught.value.code) == (413, "too_many_pictures")


LARGE = body(image=b"x" * 20_000)
REFUSED = {
    "no type": (PredictForm, body(image=b"x"), {"content_type": None}, 400),
    "xml": (PredictForm, b"<image/>", {"content_type": "application/xml"}, 415),
    "json without image": (PredictForm, b"{}", {"content_type": JSON}, 422),
    "json, a list": (PredictForm, b"[]", {"content_type": JSON}, 400),
    "json, cut off": (PredictForm, b'{"image": "', {"content_type": JSON}, 400),
    "json, deep": (PredictForm, b'{"image": ' + b"[" * 9000, {"content_type": JSON}, 400),
    "json, not utf-8": (PredictForm, b'{"image": "\xff"}', {"content_type": JSON}, 400),
    "json, a number": (PredictForm, b'{"image": 1}', {"content_type": JSON}, 422),
    "json, null": (PredictForm, b'{"image": null}', {"content_type": JSON}, 422),
    "json, an address": (PredictForm, b'{"image": "http://x/"}', {"content_type": JSON}, 422),
    "json, many values": (
        PredictForm,
        b'{"image": "eA==", "x": [0' + b",0" * 10_000 + b"]}",
        {"content_type": JSON, "max_bytes": 10**6},
        400,
    ),
    "json, two": (PredictForm, b'{"image": ["eA==", "eA=="]}', {"content_type": JSON}, 422),
    "json, top 0": (PredictForm, b'{"image": "eA==", "top": 0}', {"content_type": JSON}, 422),
    "brotli": (PredictForm, b"", {"encoding": "br"}, 415),
    "no gzip": (PredictForm, b"x" * 20, {"encoding": "gzip"}, 400),
    "gzip, cut off": (PredictForm, gzip.compress(body(image=b"x"))[:-9], {"encoding": "gzip"}, 400),
    "gzip, a bomb": (
        PredictForm,
        gzip.compress(body(image=bytes(10**6))),
        {"encoding": "gzip"},
        413,
    ),
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
    file = part('name="image"; filename="a"', b"x")
    with pytest.raises(ServiceError, match=r"Too many files.*/predict/batch"):
        parse(PredictForm, file + file + END)


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
        asyncio.run(read(request, PredictForm, BodyLimits(1000, 0.01)))
    assert caught.value.status == 408


def test_a_client_that_leaves_is_a_400() -> None:
    request = request_of([], MULTIPART)

    async def gone() -> dict:
        return {"type": "http.disconnect"}

    request._receive = gone
    with pytest.raises(ServiceError, match="ends early"):
        asyncio.run(read(request, PredictForm, BodyLimits(1000, 5)))


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
        st.sampled_from(["application/x-www-form-urlencoded", JSON, OCTETS, "image/png"]),
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
