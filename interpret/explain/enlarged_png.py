"""A tiny picture as a large PNG, each pixel a square of one colour, in a fraction of Pillow's time.

Of the large picture's bytes all but the tiny one's are foretold by their neighbours to the left
(PNG's filter Sub) or above (Up): they become runs of zeros. So nothing has to be searched for, and
the compressed stream (DEFLATE, RFC 1951) is written from a template. Each byte of a colour has a
code of nine bits, and each run one of its own length; only the colours' bits are filled in.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SUB, _UP = 1, 2  # PNG's filters of a row
_RGB = (8, 2, 0, 0, 0)  # bits, colour type, compression, filters, no interlacing
_LITERAL = 9  # bits of a byte's code: 256 of them take half of all codes
_OTHER = 3  # bits of the codes of runs and of the end: four of them take the other half
_END, _LONG, _LONGEST = 256, 285, 258  # symbols of the end and of the longest run, its length
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)  # of lengths, RFC 1951
_LENGTHS = (0, 1, _OTHER, _LITERAL)  # those of codes here; each is written in two bits
_ADLER = 65521

Bits = NDArray[np.uint8]  # one a byte


def enlarged_png(pixels: NDArray[np.uint8], factor: int) -> bytes:
    """RGB pixels (h, w, 3) as a PNG of `factor` times the size each way."""
    rows, cols = pixels.shape[:2]
    made = _template(rows, cols, factor)
    steps = np.diff(pixels, axis=1, prepend=np.zeros((rows, 1, 3), np.uint8))
    bits = made.bits.copy()
    lines = bits[made.start : made.start + rows * made.line].reshape(rows, made.line)
    squares = lines[:, _LITERAL : _LITERAL + cols * made.square].reshape(rows, cols, made.square)
    squares[..., : 3 * _LITERAL] = made.codes[steps].reshape(rows, cols, 3 * _LITERAL)
    wide = steps.astype(np.int64)
    sums = made.sums[0] + int(wide.sum()), made.sums[1] + int((wide * made.weights).sum())
    check = struct.pack(">HH", sums[1] % _ADLER, sums[0] % _ADLER)
    packed = b"\x78\x01" + np.packbits(bits, bitorder="little").tobytes() + check
    header = struct.pack(">II5B", cols * factor, rows * factor, *_RGB)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


class _Template(NamedTuple):
    """The stream of a picture whose colours' steps are all zero, and where they stand in it."""

    bits: Bits
    codes: Bits  # (256, _LITERAL): the code of each byte
    start: int  # of the first line, in bits
    line: int  # bits of a line of squares
    square: int  # bits of a square's pixels in its first row
    sums: tuple[int, int]  # of Adler-32, not yet divided
    weights: NDArray[np.int64]  # (h, w, 3): how often each byte counts in the second sum


@lru_cache(8)
def _template(rows: int, cols: int, factor: int) -> _Template:
    width = 3 * cols * factor
    in_square, in_row = _cut(3 * (factor - 1)), _cut(width)
    codes = _codes({_END, _LONG} | {_symbol(run)[0] for run in (*in_square, *in_row) if run > 1})
    square = "0" * (3 * _LITERAL) + _written(in_square, codes)
    line = codes[_SUB] + square * cols + (codes[_UP] + _written(in_row, codes)) * (factor - 1)
    header = _header(codes)
    text = header + line * rows + codes[_END]
    bits = np.frombuffer(text.encode(), np.uint8) - ord("0")
    table = np.array([[int(bit) for bit in codes[byte]] for byte in range(256)], np.uint8)
    total = rows * factor * (width + 1)
    weights = total - np.arange(total).reshape(rows, factor, width + 1)
    filters = np.array([_SUB] + [_UP] * (factor - 1))
    sums = 1 + rows * int(filters.sum()), total + int((weights[..., 0] * filters).sum())
    firsts = weights[:, 0, 1:].reshape(rows, cols, factor, 3)[:, :, 0].astype(np.int64)
    return _Template(bits, table, len(header), len(line), len(square), sums, firsts)


def _cut(zeros: int) -> list[int]:
    """A run of zeros behind another byte as literal zeros (1) and repetitions (3 to 258)."""
    repeated = max(zeros - 1, 0)
    rest = repeated % _LONGEST
    runs = [_LONGEST] * (repeated // _LONGEST) + ([rest] if rest > 2 else [1] * rest)
    return [1] * min(zeros, 1) + runs


def _symbol(run: int) -> tuple[int, int, int]:
    """The symbol of a repetition, how many bits follow it, and what they say."""
    if run == _LONGEST:
        return _LONG, 0, 0
    if run < 11:
        return 254 + run, 0, 0
    extra = (run - 3).bit_length() - 3
    return 257 + 4 * extra + ((run - 3) >> extra), extra, (run - 3) & ((1 << extra) - 1)


def _codes(others: set[int]) -> dict[int, str]:
    """The code of each byte, and of four other symbols, `others` among them.

    The codes are canonical: their lengths tell them. There are four others because decoders refuse
    codes that are not complete.
    """
    unused = (symbol for symbol in range(_END + 1, _LONG) if symbol not in others)
    four = sorted(others | set(islice(unused, 4 - len(others))))
    short = {symbol: f"{place:0{_OTHER}b}" for place, symbol in enumerate(four)}
    return short | {byte: f"{256 + byte:0{_LITERAL}b}" for byte in range(256)}


def _written(runs: list[int], codes: dict[int, str]) -> str:
    """The bits of a run of zeros; the one code of distances, 0, says: the byte before."""
    words = []
    for run in runs:
        if run == 1:
            words.append(codes[0])
            continue
        symbol, extra, value = _symbol(run)
        words.append(codes[symbol] + _number(value, extra) + "0")
    return "".join(words)


def _header(codes: dict[int, str]) -> str:
    """The block's head: that it is the last one, and the length of each code."""
    counts = _number(1, 1) + _number(2, 2) + _number(_LONG + 1 - 257, 5) + _number(0, 5)
    used = "".join(_number(2 * (length in _LENGTHS), 3) for length in _ORDER)
    lengths = [len(codes.get(symbol, "")) for symbol in range(_LONG + 1)] + [1]
    table = "".join(f"{_LENGTHS.index(length):02b}" for length in lengths)
    return counts + _number(len(_ORDER) - 4, 4) + used + table


def _number(value: int, bits: int) -> str:
    """A number in a stream: its lowest bit comes first. Codes come with their highest bit first."""
    return f"{value:0{bits}b}"[::-1] if bits else ""


def _chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
