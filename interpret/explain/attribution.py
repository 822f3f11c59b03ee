"""Attributions of the squared-distance margin: the exact evidence map, and Captum's methods.

Every method explains the same scalar, the margin ‖h − c_negative‖² − ‖h − c_positive‖² of two
classes, in squared distance. Positive values speak for the positive class. Only this module,
faithfulness and interpret.model.onnx_to_torch need torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError, DpnpError
from interpret.bundle.missing_parts import named_parts
from interpret.explain.attribution_methods import EXACT, Attribution, AttributionMethod
from interpret.explain.evidence import evidence_map
from interpret.explain.fine_evidence import fine_evidence
from interpret.model.images import Preprocessing, decode, featureless
from interpret.model.onnx_to_torch import TorchNetwork
from interpret.model.predictor import Pixels, Predictor

with named_parts():
    import torch
    from captum.attr import (
        GradientShap,
        GuidedGradCam,
        IntegratedGradients,
        LayerGradCam,
        NoiseTunnel,
        Occlusion,
    )
    from torch import Tensor, nn

_TOLERANCE = 1e-4  # of torch against ONNX Runtime, relative to the embedding's largest number
_STEPS = 32  # of integrated gradients
_SAMPLES, _SAMPLE_STEPS = 12, 8  # of the noise tunnel, and of the integrated gradients in each
_NOISE = 12.0  # its standard deviation, of pixels in [0, 255]
_BASELINES = 24  # training images that Gradient SHAP starts from
_PASSES = 32  # pictures in torch at a time: bounds the memory
_WINDOWS = 8  # occlusion windows across the picture; they move by half their side


class Margin(nn.Module):
    """Pixels (N, 3, S, S), float in [0, 255], to the margins (N,) of two prototypes (d,)."""

    def __init__(self, network: TorchNetwork, positive: Tensor, negative: Tensor) -> None:
        super().__init__()
        self.network, self.positive, self.negative = network, positive, negative

    def forward(self, pixels: Tensor) -> Tensor:
        """‖h − negative‖² − ‖h − positive‖²."""
        h = self.network(pixels)
        margin: Tensor = (h - self.negative).square().sum(1) - (h - self.positive).square().sum(1)
        return margin


class Attributor:
    """Attributes the margins of a bundle's network, which torch runs.

    Raises BundleError when torch and ONNX Runtime compute different embeddings.
    """

    def __init__(self, bundle: Bundle, model: bytes | None = None) -> None:
        """`model`, an ONNX file's bytes, replaces the bundle's own network, for comparison."""
        self.bundle, self.predictor = bundle, Predictor(model or bundle)
        source = str(bundle.path / "model.onnx")
        proto = onnx.load_from_string(model or bundle.read("model.onnx"))
        self.network = TorchNetwork(proto, source).eval().requires_grad_(False)
        self._check(source)
        self._baselines = self._training_images()

    def margin(self, positive: int, negative: int) -> Margin:
        """The margin of two classes, as a function of pixels."""
        prototypes = torch.from_numpy(self.bundle.prototypes)
        return Margin(self.network, prototypes[positive], prototypes[negative])

    def attribute(
        self, pixels: Pixels, method: AttributionMethod, positive: int, negative: int
    ) -> Attribution:
        """Attribute one picture, uint8 (S, S, 3). Random methods are seeded: the map repeats.

        Raises DpnpError for a method that needs locations when the network has none.
        """
        margin = self.margin(positive, negative)
        picture = as_batch(pixels)
        with torch.no_grad():
            value = float(margin(picture))
        expected: float | None = None
        if method in EXACT:
            values, expected = self._evidence(pixels, method, positive, negative), value
        else:
            with _seeded():
                found, origin = self._captum(margin, pixels, method)
            values = found.detach().sum(1)[0].double().numpy()
            if origin is not None:
                with torch.no_grad():
                    expected = value - float(margin(origin).mean())
        return Attribution(method, positive, negative, values, value, expected)

    def _evidence(
        self, pixels: Pixels, method: AttributionMethod, positive: int, negative: int
    ) -> NDArray[np.float64]:
        centres = self.bundle.prototypes[[positive, negative]]
        if method == "fine-evidence":
            fine = fine_evidence(self.predictor, pixels, *centres)
        else:
            local = self.predictor(pixels[None], evidence=True).evidence
            fine = None if local is None else evidence_map(local[0], *centres)
        if fine is None:
            raise DpnpError(f"--method {method}: this network has no evidence map")
        return fine

    def _captum(
        self, margin: Margin, pixels: Pixels, method: AttributionMethod
    ) -> tuple[Tensor, Tensor | None]:
        """The attribution (1, C, h, w), and the baselines of a method that is complete.

        The sum of a complete map is the margin less the mean margin of the baselines.
        """
        x, blurred = as_batch(pixels), as_batch(featureless(pixels))
        if method == "ig":
            found = IntegratedGradients(margin).attribute(
                x, baselines=blurred, n_steps=_STEPS, internal_batch_size=_PASSES
            )
            return found, blurred
        if method == "noise-tunnel":
            tunnel = NoiseTunnel(IntegratedGradients(margin))
            found = tunnel.attribute(
                x,
                nt_type="smoothgrad",
                nt_samples=_SAMPLES,
                nt_samples_batch_size=_PASSES // _SAMPLE_STEPS,
                stdevs=_NOISE,
                baselines=blurred,
                n_steps=_SAMPLE_STEPS,
            )
            return found, blurred
        if method == "gradient-shap":
            samples = 2 * len(self._baselines)
            found = GradientShap(margin).attribute(
                x, baselines=self._baselines, n_samples=samples, stdevs=0.0
            )
            return found, self._baselines
        if method == "occlusion":
            window = max(2, x.shape[-1] // _WINDOWS)
            found = Occlusion(margin).attribute(
                x,
                sliding_window_shapes=(3, window, window),
                strides=(3, max(1, window // 2), max(1, window // 2)),
                baselines=blurred,
                perturbations_per_eval=_PASSES,
            )
            return found / 3, None  # Captum gives each channel the whole
        layer = self.network.pooled
        if layer is None:
            raise DpnpError(f"--method {method}: this network does not end in average pooling")
        if method == "gradcam":
            # Without Captum's ReLU: the sign is the point.
            found = LayerGradCam(margin, layer).attribute(x, relu_attributions=False)
            return found, None
        if method == "guided-gradcam":
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
                found = GuidedGradCam(margin, layer).attribute(x.clone().requires_grad_())
                return found, None
        raise AssertionError(method)

    def _training_images(self) -> Tensor:
        thumbnails = [content for content in self.bundle.gallery.thumbnails if content]
        fitted = Preprocessing.of(self.bundle.manifest)
        if not len(thumbnails):
            return torch.zeros(1, 3, fitted.size, fitted.size)
        rows = np.unique(np.linspace(0, len(thumbnails) - 1, _BASELINES).astype(int)).tolist()
        pictures = np.stack([fitted(decode(thumbnails[row])) for row in rows])
        return as_batch(pictures)

    def _check(self, source: str) -> None:
        size = self.predictor.input_size
        noise = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
        expected = self.predictor(noise).embedding
        with torch.no_grad():
            found = self.network(as_batch(noise)).numpy()
        difference = float(np.abs(found - expected).max())
        if not difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise BundleError(f"{source}: torch differs from ONNX Runtime by {difference:.2g}")


def as_batch(pixels: Pixels) -> Tensor:
    """One picture (S, S, 3) or several (N, S, S, 3) as torch takes them: float (N, 3, S, S)."""
    many = pixels if pixels.ndim == 4 else pixels[None]
    return torch.from_numpy(many.astype(np.float32)).permute(0, 3, 1, 2).contiguous()


@contextmanager
def _seeded() -> Iterator[None]:
    """Seed the global generators, from which Captum draws, and restore them afterwards."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        np.random.seed(0)
        try:
            yield
        finally:
            np.random.set_state(state)
