"""Bad requests, each with the status and the code of its answer."""

import struct
import zlib

from PIL import Image

from tests.serving.servers import RED, encode, plain, upload


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def bomb(side: int = 13_000) -> bytes:
    """A PNG of some 20 KB whose header announces side² pixels, and keeps the promise."""
    rows = zlib.compress(bytes(side // 8 + 1) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


JPEG = encode(Image.effect_noise((64, 64), 60).convert("RGB"), "JPEG")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1/x"/></svg>'
TIFF = encode(Image.new("RGB", (4, 4)), "TIFF")
PNG = plain(RED)
RAW_TEXT = {"content": b"hello", "headers": {"content-type": "image/png"}}
XML = {"content": b"<image/>", "headers": {"content-type": "application/xml"}}
BROTLI = {"content": PNG, "headers": {"content-type": "image/png", "content-encoding": "br"}}
PICKLE = {"content": b"\x80\x04.", "headers": {"content-type": "application/vnd.bentoml+pickle"}}
NO_BOUNDARY = {"content": PNG, "headers": {"content-type": "multipart/form-data"}}
BOTH = {"files": upload(PNG), "data": {"prototype": "red"}}

BAD = {
    "garbage": ("/predict", {"files": upload(bytes(range(256)))}, 415, "not_an_image"),
    "empty file": ("/predict", {"files": upload(b"")}, 415, "not_an_image"),
    "text called .png": ("/predict", {"files": upload(b"hello")}, 415, "not_an_image"),
    "svg": ("/predict", {"files": upload(SVG, "x.svg", "image/svg+xml")}, 415, "not_an_image"),
    "tiff": ("/predict", {"files": upload(TIFF)}, 415, "not_an_image"),
    "truncated jpeg": ("/predict", {"files": upload(JPEG[:-200])}, 415, "broken_image"),
    "truncated png": ("/predict", {"files": upload(PNG[:-20])}, 415, "broken_image"),
    "bomb": ("/predict", {"files": upload(bomb())}, 413, "too_many_pixels"),
    "bomb, explained": ("/explain", {"files": upload(bomb())}, 413, "too_many_pixels"),
    "large": ("/predict", {"files": upload(bytes(300_000))}, 413, "too_large"),
    "empty body": ("/predict", {}, 400, "malformed"),
    "no boundary": ("/predict", NO_BOUNDARY, 400, "malformed"),
    "json, no base64": ("/predict", {"json": {"image": "http://x/"}}, 422, "invalid_field"),
    "json, no object": ("/predict", {"json": ["image"]}, 400, "malformed"),
    "json, no picture": ("/predict", {"json": {"image": "aGVsbG8="}}, 415, "not_an_image"),
    "xml": ("/predict", XML, 415, "unsupported_media_type"),
    "packed otherwise": ("/predict", BROTLI, 415, "unsupported_encoding"),
    "pickle": ("/predict", PICKLE, 415, "unsupported_media_type"),
    "raw body": ("/predict", RAW_TEXT, 415, "not_an_image"),
    "raw body, large": ("/explain", {"content": PNG + bytes(300_000)}, 413, "too_large"),
    "two files": ("/predict", {"files": [("image", PNG), ("image", PNG)]}, 400, "malformed"),
    "top 0": ("/predict", {"files": upload(PNG), "data": {"top": "0"}}, 422, "invalid_field"),
    "maybe": (
        "/explain",
        {"files": upload(PNG), "data": {"probabilities": "maybe"}},
        422,
        "invalid_field",
    ),
    "batch of nothing": ("/predict/batch", {"data": {"top": "3"}}, 422, "invalid_field"),
    "batch, xml": ("/predict/batch", XML, 415, "unsupported_media_type"),
    "other field": ("/predict", {"files": {"picture": PNG}}, 422, "invalid_field"),
    "text field": ("/predict", {"data": {"image": "http://127.0.0.1/"}}, 422, "invalid_field"),
    "k 0": ("/explain", {"files": upload(PNG), "data": {"k": "0"}}, 422, "invalid_field"),
    "k -1": ("/explain", {"files": upload(PNG), "data": {"k": "-1"}}, 422, "invalid_field"),
    "k 1000": ("/similar", {"files": upload(PNG), "data": {"k": "1000"}}, 422, "invalid_field"),
    "k abc": ("/similar", {"files": upload(PNG), "data": {"k": "abc"}}, 422, "invalid_field"),
    "pink": ("/similar", {"data": {"prototype": "pink"}}, 422, "unknown_prototype"),
    "rival pink": (
        "/explain",
        {"files": upload(PNG), "data": {"rival": "pink"}},
        422,
        "unknown_prototype",
    ),
    "own rival": ("/explain", {"files": upload(PNG), "data": {"rival": "red"}}, 422, "own_rival"),
    "both": (
        "/similar",
        {"files": upload(PNG), "data": {"prototype": "red"}},
        422,
        "invalid_field",
    ),
    "neither": ("/similar", {"data": {"k": "3"}}, 422, "invalid_field"),
}
