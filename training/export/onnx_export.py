"""The network as ONNX: uint8 pixels in, the four outputs of the bundle's contract out."""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from interpret.model.predictor import Prediction
from training.data.splits import Split
from training.model.networks import PrototypeNetwork

# ONNX Runtime reads it from 1.17 on. Operator set 20 is the first with GELU in one piece, which
# novelty and attributions look for.
OPSET, IR_VERSION = 20, 9


class Outputs(NamedTuple):
    """See interpret.model.predictor.Prediction; only networks with locations have `evidence`."""

    embedding: Tensor
    distances: Tensor
    probabilities: Tensor
    evidence: Tensor | None = None


class ServedModel(nn.Module):
    """The network with its distances and probabilities, as served.

    A network that was trained on small pictures, enlarged, expects their blur. So it takes pictures
    of their `side`, of which there is less to see than of a large photograph, and enlarges them to
    the `size` that it was trained at. The filter is the one that they were enlarged with before
    training: a product with a constant on each axis.
    """

    enlargement: Tensor | None  # (size, side)

    def __init__(
        self, network: PrototypeNetwork, side: int | None = None, size: int | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("enlargement", None)
        if side is not None and size is not None and side < size:
            self.enlargement = _enlargement(side, size)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Outputs for uint8 pixels (N, S, S, 3)."""
        seen = pixels.permute(0, 3, 1, 2)
        if self.enlargement is not None:
            seen = self.enlargement @ seen.float() @ self.enlargement.T
        embedding, features, _ = self.network(seen)
        head = self.network.head
        prototypes = head.prototypes
        scores = embedding @ prototypes.T
        if not head.on_sphere:
            scores = scores - prototypes.square().sum(1) / 2
        # With s = c·h − ‖c‖²/2, ‖h−c_j‖² = ‖h−c_p‖² + 2 (s_p − s_j). With p the nearest prototype,
        # only its own distance needs the difference: no digits are lost near a prototype. On the
        # sphere the norms cancel and s is c·h: the order of the distances is that of the logits.
        best, nearest = scores.max(1, keepdim=True)
        closest = (embedding - prototypes[nearest[:, 0]]).square().sum(1, keepdim=True)
        distances = (closest + 2 * (best - scores)).sqrt()
        outputs = (embedding, distances, torch.softmax(head.logits(embedding), 1))
        if not self.network.locations:
            return outputs
        return (*outputs, self.network.local_embeddings(features))


def input_side(train: Split, size: int) -> int:
    """The side at which a network of `size` pixels takes pictures: that of the training pictures,
    where all of them are squares of one smaller size.
    """
    return min(size, train.common_side or size)


def _enlargement(side: int, size: int) -> Tensor:
    """The matrix (size, side) of bilinear enlargement along an axis."""
    lines = torch.eye(side)[None]  # a channel for each pixel that is 1
    return F.interpolate(lines, size, mode="linear")[0].T.contiguous()


def export(model: ServedModel, image_size: int) -> bytes:
    """model.onnx with a dynamic batch and no external data."""
    # At least 2 pictures: the exporter takes a batch of 1 for a constant. The graph runs on 1 too.
    example = torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8)
    names = [name for name in Outputs._fields if name != "evidence" or model.network.locations]
    with warnings.catch_warnings():
        # The exporter's own deprecations; what it produces is checked by the certificate.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model.eval(),
            (example,),
            input_names=["pixels"],
            output_names=names,
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch", min=2)}},
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    proto.ir_version = IR_VERSION
    buffer = io.BytesIO()
    onnx.save(proto, buffer)
    return buffer.getvalue()


@torch.no_grad()
def run_torch(model: ServedModel, pixels: NDArray[np.uint8]) -> Prediction:
    """Torch's outputs for uint8 pixels (N, S, S, 3), in float32, from the model's device."""
    device = model.network.mean.device
    outputs = [output.cpu().numpy() for output in model(torch.from_numpy(pixels).to(device))]
    embedding, distances, probabilities = outputs[:3]
    evidence = outputs[3] if len(outputs) > 3 else None
    usual = np.zeros(len(pixels), np.float32)
    return Prediction(embedding, distances, probabilities, evidence, usual)
