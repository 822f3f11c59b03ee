"""Variants of the toy bundle: contents changed with every hash put right again."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError
from tests.conftest import TOY_MODEL, write_toy_bundle

Document = dict[str, Any]


def change_manifest(bundle: Path, change: Callable[[Document], None]) -> None:
    """Apply `change` to manifest.json and give it a fingerprint that matches."""
    file = bundle / "manifest.json"
    document = json.loads(file.read_text())
    change(document)
    document["fingerprint"] = ""
    draft = json.dumps(document).encode()
    document["fingerprint"] = hashlib.sha256(draft).hexdigest()
    file.write_text(json.dumps(document))


def replace_file(bundle: Path, name: str, data: bytes) -> None:
    """Replace one file's content, and its hash in the manifest."""
    (bundle / name).write_bytes(data)

    def enter(document: Document) -> None:
        document["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}

    change_manifest(bundle, enter)


def bundle_without_evidence(path: Path) -> Bundle:
    """The toy bundle of a network that has no evidence map."""
    text = TOY_MODEL.replace(",\n      float[n, 3, 4, 4] evidence)", ")")
    assert text != TOY_MODEL
    write_toy_bundle(path, evidence=None)
    replace_file(path, "model.onnx", onnx.parser.parse_model(text).SerializeToString())
    return Bundle.load(path)


def assert_refused(path: Path, *words: str) -> None:
    """Loading must fail with one line that holds every word."""
    with pytest.raises(BundleError) as caught:
        Bundle.load(path)
    for word in words:
        assert word in str(caught.value)


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()
