"""The same model and answer in LitServe, as its tutorial has it: for comparison.

python -m tests.benchmarks.litserve_server BUNDLE PORT
"""

import sys

import litserve
import numpy as np

from interpret.explain.answers import Classification
from interpret.explain.explainer import Explainer
from interpret.model.devices import cpu_count
from interpret.model.images import decode


class Api(litserve.LitAPI):
    def __init__(self, bundle: str) -> None:
        super().__init__(api_path="/predict")
        self.bundle = bundle

    def setup(self, device: str) -> None:
        self.explainer = Explainer.load(self.bundle, threads=cpu_count(), device="cpu")

    def decode_request(self, request) -> np.ndarray:
        picture = request["image"].file.read()
        return self.explainer.preprocessing(decode(picture))

    def predict(self, pixels: np.ndarray) -> Classification:
        return self.explainer.classify(pixels[None])[0]

    def encode_response(self, output: Classification) -> dict:
        return output.model_dump()


if __name__ == "__main__":
    server = litserve.LitServer(Api(sys.argv[1]), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning"
    )
