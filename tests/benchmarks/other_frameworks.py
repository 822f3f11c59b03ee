"""The same model and the same answer in FastAPI and in LitServe, as their tutorials have it.

python -m tests.benchmarks.other_frameworks fastapi|litserve BUNDLE PORT
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

from interpret.bundle import Bundle
from interpret.devices import cpu_count
from interpret.explanation import Classification, Explainer
from interpret.images import decode, fit_square


def answer(explainer: Explainer, data: bytes) -> Classification:
    """What /predict does with a picture."""
    pixels = fit_square(decode(data), explainer.predictor.input_size)
    return explainer.classify(pixels[None])[0]


def fastapi(bundle: str, port: int) -> None:
    """FastAPI with uvicorn, one process; the handler runs in its thread pool."""
    import uvicorn
    from fastapi import FastAPI, File

    explainer = Explainer(Bundle.load(bundle), threads=cpu_count(), device="cpu")
    app = FastAPI()

    def predict(image: Annotated[bytes, File()]) -> Classification:
        return answer(explainer, image)

    app.post("/predict")(predict)
    app.get("/health")(lambda: "ok")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def litserve(bundle: str, port: int) -> None:
    """LitServe with one worker and its own batching."""
    import litserve
    from starlette.datastructures import FormData

    class Api(litserve.LitAPI):  # type: ignore[misc]
        def setup(self, device: str) -> None:
            self.explainer = Explainer(Bundle.load(bundle), threads=cpu_count(), device="cpu")

        def decode_request(self, request: FormData) -> Any:
            data = request["image"].file.read()
            return fit_square(decode(data), self.explainer.predictor.input_size)

        def predict(self, pixels: Any) -> Classification:
            return self.explainer.classify(pixels[None])[0]

        def encode_response(self, output: Classification) -> dict[str, Any]:
            return output.model_dump()

    server = litserve.LitServer(Api(api_path="/predict"), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    {"fastapi": fastapi, "litserve": litserve}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
