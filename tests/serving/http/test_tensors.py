"""Tensors from JSON and from bytes: whatever comes is read or refused in words."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.http.errors import ServiceError
from serving.http.tensors import InferAnswer, OutputTensor, parsed, pictures, written
from serving.schemas import Picture


def request(name: str, datatype: str, shape: list[int], **more: object) -> bytes:
    sent = {"name": name, "datatype": datatype, "shape": shape} | more
    return json.dumps({"inputs": [sent]}).encode()


def read(head: bytes, behind: bytes = b"", size: int = 2) -> object:
    return pictures(*parsed(head + behind, str(len(head)), 10_000), size)


def test_pixels_from_bytes_and_from_json() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    head = request("pixels", "UINT8", [2, 2, 2, 3], parameters={"binary_data_size": 24})
    np.testing.assert_array_equal(read(head, pixels.tobytes()), pixels)
    for data in (pixels.tolist(), pixels.ravel().tolist()):
        np.testing.assert_array_equal(
            read(request("pixels", "UINT8", [2, 2, 2, 3], data=data)), pixels
        )


def test_pictures_from_bytes_and_from_json() -> None:
    behind = struct.pack("<I", 2) + b"ab" + struct.pack("<I", 0)
    parameters = {"binary_data_size": len(behind), "content_type": "ignored"}
    head = request("image", "BYTES", [2], parameters=parameters)
    assert read(head, behind) == [Picture(None, b"ab"), Picture(None, b"")]
    head = request("image", "BYTES", [2, 1], data=[["YWI="], ["data:image/png;base64,YWI="]])
    assert read(head) == [Picture(None, b"ab")] * 2


def test_outputs_behind_the_json_and_inside() -> None:
    texts, numbers = np.array(["a", "ü"], object), np.array([[1.5], [-2]], np.float32)
    answer = InferAnswer(
        model_name="m",
        model_version="1",
        outputs=[
            OutputTensor(name="t", datatype="BYTES", shape=[2]),
            OutputTensor(name="n", datatype="FP32", shape=[2, 1]),
        ],
    )
    body, length = written(answer, [texts, numbers], [False, False])
    assert length is None
    assert [o["data"] for o in json.loads(body)["outputs"]] == [["a", "ü"], [1.5, -2.0]]
    body, length = written(answer, [texts, numbers], [True, True])
    assert length is not None
    assert body[length:] == b"\1\0\0\0a\2\0\0\0\xc3\xbc" + struct.pack("<ff", 1.5, -2)
    told = [o["parameters"]["binary_data_size"] for o in json.loads(body[:length])["outputs"]]
    assert told == [11, 8]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["pixels", "image"]),
    datatype=st.sampled_from(["UINT8", "BYTES", "FP32"]),
    shape=st.lists(st.integers(-1, 3), max_size=5) | st.just([1, 2, 2, 3]),
    data=VALUES,
    behind=st.binary(max_size=20),
    size=st.none() | st.integers(-1, 20),
)
def test_anything_is_read_or_refused(
    name: str, datatype: str, shape: list[int], data: object, behind: bytes, size: int | None
) -> None:
    head = request(name, datatype, shape, data=data, parameters={"binary_data_size": size})
    try:
        count, status = len(read(head, behind)), 200  # type: ignore[arg-type]
    except ServiceError as error:
        count, status = None, error.status
    assert (count, status) in [(None, 422), *((length, 200) for length in shape[:1])]


@pytest.mark.parametrize("length", ["", "-1", "1.5", "²", "9" * 30])
def test_a_length_that_is_none(length: str) -> None:
    with pytest.raises(ServiceError, match="inference-header-content-length"):
        parsed(b"{}", length, 100)
