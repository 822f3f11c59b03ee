"""Tensors as the Open Inference Protocol v2 sends them: in JSON, or as bytes behind the JSON."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from pydantic_core import to_json

from interpret.model.predictor import Pixels
from serving.http.errors import ServiceError
from serving.http.forms import invalid, invalid_fields, of_base64
from serving.schemas import Picture

HEADER_LENGTH = "inference-header-content-length"  # bytes of the JSON, where more follows it
PIXELS, IMAGE = "pixels", "image"
_LENGTH = struct.Struct("<I")  # before each element of a BYTES tensor
_DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64}

Shape = Annotated[list[NonNegativeInt], Field(max_length=8)]


class _Model(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class TensorParameters(_Model):
    """What a tensor's `parameters` may say; others are ignored."""

    binary_data_size: NonNegativeInt | None = Field(
        None, description="bytes of the tensor behind the JSON, in the order of the tensors"
    )
    binary_data: bool | None = Field(None, description="of an output: send it behind the JSON")
    classification: NonNegativeInt = Field(0, description="not supported: must be 0")


class InputTensor(_Model):
    """The pictures: fitted pixels, or encoded pictures of any size."""

    name: Literal["pixels", "image"]
    datatype: Literal["UINT8", "BYTES"] = Field(description="UINT8 for pixels, BYTES for image")
    shape: Shape = Field(description="pixels: [N, S, S, 3], RGB; image: [N]")
    parameters: TensorParameters = TensorParameters()
    data: Any = Field(
        None, description="row by row, nested or not; of image each picture is text in base64"
    )


class RequestedOutput(_Model):
    """An output that is asked for."""

    name: str
    parameters: TensorParameters = TensorParameters()


class InferParameters(_Model):
    """What a request's `parameters` may say; others are ignored."""

    binary_data_output: bool = Field(False, description="send all outputs behind the JSON")


class InferRequest(_Model):
    """A request of the Open Inference Protocol v2."""

    id: str | None = Field(None, description="comes back with the answer")
    parameters: InferParameters = InferParameters()
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1)]
    outputs: list[RequestedOutput] | None = Field(None, description="all but evidence, if absent")


class OutputTensor(_Model):
    """One output for all pictures of the request."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = Field(None, description="row by row; null: it follows the JSON")


class InferAnswer(_Model):
    """An answer of the Open Inference Protocol v2."""

    model_name: str
    model_version: str = Field(description="the bundle's fingerprint")
    id: str | None = None
    outputs: list[OutputTensor]


def parsed(body: bytes, header_length: str | None, max_json: int) -> tuple[InferRequest, bytes]:
    """The request, and the bytes that follow its JSON. Raises ServiceError."""
    end = len(body)
    if header_length is not None:
        digits = header_length[:12]  # a longer number is beyond any body
        if not (digits.isascii() and header_length.isdecimal()) or int(digits) > end:
            message = f"{HEADER_LENGTH} is {header_length[:40]!r}, and the body has {end} bytes"
            raise ServiceError(400, "malformed", message)
        end = int(header_length)
    if end > max_json:
        message = f"the JSON is over the limit of {max_json} bytes: send the tensor behind it"
        raise ServiceError(413, "too_large", message, {"limit": max_json})
    try:
        return InferRequest.model_validate_json(body[:end]), body[end:]
    except ValidationError as error:
        raise invalid_fields(error) from None


def pictures(request: InferRequest, behind: bytes, size: int) -> Pixels | list[Picture]:
    """The pixels (N, S, S, 3), or the encoded pictures. Raises ServiceError."""
    [tensor] = request.inputs
    binary = tensor.parameters.binary_data_size
    if binary is not None and binary != len(behind):
        raise _wrong(f"binary_data_size is {binary}, and {len(behind)} bytes follow the JSON")
    if tensor.name == PIXELS:
        if tensor.datatype != "UINT8" or tensor.shape[1:] != [size, size, 3]:
            raise _wrong(
                f"{PIXELS} is {tensor.datatype} {tensor.shape}, not UINT8 [N, {size}, {size}, 3]"
            )
        raw = tensor.data if binary is None else behind
        return _uint8(raw, tensor.shape)
    if tensor.datatype != "BYTES" or len(tensor.shape) > 2 or tensor.shape[1:] not in ([], [1]):
        raise _wrong(f"{IMAGE} is {tensor.datatype} {tensor.shape}, not BYTES [N]")
    found = _elements(behind) if binary is not None else _texts(tensor.data)
    if len(found) != math.prod(tensor.shape) or not tensor.shape:
        raise _wrong(f"{IMAGE} holds {len(found)} pictures, and its shape is {tensor.shape}")
    return found


def written(
    answer: InferAnswer, arrays: Iterable[NDArray[Any]], binary: Iterable[bool]
) -> tuple[bytes, int | None]:
    """The answer's body with the outputs' arrays, and the length of its JSON if more follows."""
    behind, outputs = [], []
    for output, array, apart in zip(answer.outputs, arrays, binary, strict=True):
        if apart:
            data = _packed(array, output.datatype)
            behind.append(data)
            told: dict[str, Any] = {"parameters": {"binary_data_size": len(data)}}
        else:
            told = {"data": array.ravel().tolist()}
        outputs.append(output.model_copy(update=told))
    body = to_json(answer.model_copy(update={"outputs": outputs}), exclude_none=True)
    return b"".join([body, *behind]), len(body) if behind else None


def _uint8(raw: object, shape: list[int]) -> Pixels:
    if isinstance(raw, bytes):
        pixels = np.frombuffer(raw, np.uint8)
    else:
        try:
            numbers = np.array(raw)
        except ValueError:  # ragged
            numbers = np.array(None)
        if numbers.dtype.kind not in "iu" or (numbers < 0).any() or (numbers > 255).any():
            raise _wrong(f"{PIXELS} holds something else than whole numbers from 0 to 255")
        pixels = numbers.astype(np.uint8)
    if pixels.size != math.prod(shape):
        raise _wrong(f"{PIXELS} holds {pixels.size} numbers, and its shape is {shape}")
    return pixels.reshape(shape)


def _texts(data: object) -> list[Picture]:
    rows = data if isinstance(data, list) else []
    flat = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in rows]
    found = [of_base64(each) for each in flat]
    if not all(isinstance(each, Picture) for each in found):
        raise _wrong(f"{IMAGE} holds something else than texts in base64")
    return [each for each in found if isinstance(each, Picture)]


def _elements(raw: bytes) -> list[Picture]:
    found, at = [], 0
    while at < len(raw):
        start = at + _LENGTH.size
        if start > len(raw) or (end := start + _LENGTH.unpack_from(raw, at)[0]) > len(raw):
            raise _wrong(f"the bytes of {IMAGE} end within an element")
        found.append(Picture(None, raw[start:end]))
        at = end
    return found


def _packed(array: NDArray[Any], datatype: str) -> bytes:
    if datatype != "BYTES":
        return array.astype(np.dtype(_DTYPES[datatype]).newbyteorder("<")).tobytes()
    texts = [str(text).encode() for text in array.ravel()]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def _wrong(message: str) -> ServiceError:
    return invalid("inputs", message)
