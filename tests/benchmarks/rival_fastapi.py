"""The same network in FastAPI with uvicorn, as its tutorial has it: for comparison.

    python -m tests.benchmarks.rival_fastapi BUNDLE PORT plain|same

`plain` answers with the class and all probabilities, `same` with what the service answers. A plain
function is an endpoint that runs in FastAPI's thread pool. uvicorn takes uvloop and httptools.
"""

import io
import json
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, File
from PIL import Image

from interpret.explain.answers import Classification
from interpret.explain.explainer import Explainer
from interpret.model.devices import cpu_count
from interpret.model.images import decode


def plain(bundle: str) -> FastAPI:
    names = json.loads(Path(bundle, "manifest.json").read_text())["class_names"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_count()
    session = onnxruntime.InferenceSession(str(Path(bundle, "model.onnx")), options)
    side = session.get_inputs()[0].shape[1]
    app = FastAPI()

    @app.post("/predict")
    def predict(image: Annotated[bytes, File()]) -> dict[str, object]:
        picture = Image.open(io.BytesIO(image)).convert("RGB").resize((side, side))
        [probabilities] = session.run(["probabilities"], {"pixels": np.asarray(picture)[None]})
        shares = dict(zip(names, probabilities[0].tolist(), strict=True))
        return {"label": names[int(probabilities.argmax())], "probabilities": shares}

    return app


def same(bundle: str) -> FastAPI:
    explainer = Explainer.load(bundle, threads=cpu_count(), device="cpu")
    app = FastAPI()

    @app.post("/predict")
    def predict(image: Annotated[bytes, File()]) -> Classification:
        pixels = explainer.preprocessing(decode(image))
        return explainer.classify(pixels[None])[0]

    return app


if __name__ == "__main__":
    app = {"plain": plain, "same": same}[sys.argv[3]](sys.argv[1])
    app.get("/health")(lambda: "ok")
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
