"""The same model and answer in FastAPI with uvicorn, as its tutorial has it: for comparison.

python -m tests.benchmarks.fastapi_server BUNDLE PORT
"""

import sys
from typing import Annotated

import uvicorn
from fastapi import FastAPI, File

from interpret.explain.answers import Classification
from interpret.explain.explainer import Explainer
from interpret.model.devices import cpu_count
from interpret.model.images import decode


def application(bundle: str) -> FastAPI:
    explainer = Explainer.load(bundle, threads=cpu_count(), device="cpu")
    app = FastAPI()

    @app.post("/predict")  # a plain function: it runs in FastAPI's thread pool
    def predict(image: Annotated[bytes, File()]) -> Classification:
        pixels = explainer.preprocessing(decode(image))
        return explainer.classify(pixels[None])[0]

    @app.get("/health")
    def health() -> str:
        return "ok"

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning"
    )
