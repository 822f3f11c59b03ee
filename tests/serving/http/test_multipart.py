"""The quick way through a form gives what Starlette's parser gives, or leaves the form to it."""

import asyncio

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers

from serving.http import multipart
from serving.http.bodies import BodyLimits
from serving.schemas import Picture

LIMITS = BodyLimits(max_bytes=2**20, seconds=1, pictures=4)
Fields = list[tuple[str, str | Picture]]


def form(boundary: str, *parts: bytes) -> bytes:
    lines = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    return lines + b"--%b--\r\n" % boundary.encode()


def by_parser(content_type: str, body: bytes) -> Fields:
    return multipart._at_once(Headers({"content-type": content_type}), body, LIMITS)


def test_what_httpx_sends_takes_the_quick_way() -> None:
    request = httpx.Request(
        "POST",
        "http://localhost",
        files=[("image", ("a b.png", b"\r\n--x\x00\r\n", "image/png")), ("image", b"")],
        data={"k": "3", "rival": ""},
    )
    found = multipart._usual(request.headers["content-type"], request.read(), LIMITS)
    assert found == [
        ("k", "3"),
        ("rival", ""),
        ("image", Picture("a b.png", b"\r\n--x\x00\r\n")),
        ("image", Picture("upload", b"")),
    ]
    assert found == by_parser(request.headers["content-type"], request.read())


FILE = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
ODD = {
    "another encoding": b'Content-Disposition: form-data; name="a"; filename="\xc3\xa4"\r\n\r\nx',
    "a second name": b"Content-Disposition: form-data; name=\"a\"; filename*=utf-8''b\r\n\r\nx",
    "a quoted sign": b'Content-Disposition: form-data; name="a\\"b"\r\n\r\nx',
    "no name": b"Content-Disposition: form-data\r\n\r\nx",
    "no head": b"x",
    "a boundary inside": FILE + b"one\r\n--XYZ two",
    "text of two bytes a sign": b'Content-Disposition: form-data; name="a"\r\n\r\n\xc3\xa4',
}


@pytest.mark.parametrize("part", ODD.values(), ids=list(ODD))
def test_what_is_unusual_is_left_to_the_parser(part: bytes) -> None:
    body = form("XYZ", part)
    assert multipart._usual("multipart/form-data; boundary=XYZ", body, LIMITS) is None


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=XYZ; charset=latin-1"],
)
def test_so_is_an_unusual_content_type(content_type: str) -> None:
    assert multipart._usual(content_type, form("XYZ", FILE + b"x"), LIMITS) is None


PIECES = st.sampled_from(
    [
        *(b"\r\n", b"--", b"--XYZ", b"--XYZ--", b"\r\n--XYZ\r\n", b"\r\n--XYZ--\r\n", b"\r\n\r\n"),
        *(FILE, b'Content-Disposition: form-data; name="k"\r\n\r\n', b"3", b"\x00\xff", b"x"),
        *(b"Content-Type: image/png\r\n", b'"', b"; ", b"filename", b"\n", b"\r"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(PIECES, max_size=12), cut=st.integers(0, 40), framed=st.booleans())
@example(pieces=[FILE, b"x"], cut=0, framed=True)
def test_both_ways_agree(pieces: list[bytes], cut: int, framed: bool) -> None:
    body = b"".join(pieces)
    if framed:
        body = form("XYZ", body)
    if cut < len(body):
        body = body[: len(body) - cut]
    content_type = "multipart/form-data; boundary=XYZ"
    found = multipart._usual(content_type, body, LIMITS)
    if found is not None:
        assert found == by_parser(content_type, body)


def test_other_requests_go_on_while_a_large_form_is_parsed() -> None:
    content = b"\r\n--bx" * 300_000  # each may be the boundary, and is looked at on its own
    named = 'Content-Disposition: form-data; name="image"; filename="\xe4.png"\r\n\r\n'
    body = form("b", named.encode() + content)
    headers = Headers({"content-type": "multipart/form-data; boundary=b"})
    limits = LIMITS._replace(max_bytes=2**23)

    async def beside() -> tuple[Fields, int]:
        parsing = asyncio.create_task(multipart.fields_of(headers, body, limits))
        turns = 0
        while not parsing.done():
            await asyncio.sleep(0.001)
            turns += 1
        return parsing.result(), turns

    fields, turns = asyncio.run(beside())
    assert fields == [("image", Picture("\xe4.png", content))]
    assert turns > 3
