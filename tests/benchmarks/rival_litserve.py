"""The same network and answer in LitServe with batches, as its documentation has it.

python -m tests.benchmarks.rival_litserve BUNDLE PORT
"""

import sys

import litserve
import numpy as np

from interpret.explain.answers import Classification
from interpret.explain.explainer import Explainer
from interpret.model.devices import cpu_count
from interpret.model.images import decode

MAX_BATCH, BATCH_SECONDS = 16, 0.01  # as the service's, and as in LitServe's examples


class Api(litserve.LitAPI):
    def __init__(self, bundle: str) -> None:
        super().__init__(api_path="/predict", max_batch_size=MAX_BATCH, batch_timeout=BATCH_SECONDS)
        self.bundle = bundle

    def setup(self, device: str) -> None:
        self.explainer = Explainer.load(self.bundle, threads=cpu_count(), device="cpu")

    def decode_request(self, request) -> np.ndarray:
        picture = request["image"].file.read()
        return self.explainer.preprocessing(decode(picture))

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, pixels: np.ndarray) -> list[Classification]:
        return self.explainer.classify(pixels)

    def unbatch(self, output: list[Classification]) -> list[Classification]:
        return output

    def encode_response(self, output: Classification) -> dict:
        return output.model_dump()


if __name__ == "__main__":
    server = litserve.LitServer(Api(sys.argv[1]), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning"
    )
