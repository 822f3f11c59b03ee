"""Feature extractors: the paper's two ResNet18s, three made for CPUs, and any of timm's or
torchvision's.

Each maps normalised pixels (N, 3, S, S) to features (N, F, h, w), which are average-pooled
outside. A torchvision model that has no pooling (a ViT's class token) gives (N, F) instead.
"""

from __future__ import annotations

from collections.abc import Iterable

import safetensors.torch
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import NodePathTracer
from torchvision.models.resnet import BasicBlock, ResNet

from interpret.bundle.errors import DpnpError
from training.config.errors import UNREADABLE, ConfigError
from training.model import timm_backbones
from training.model.timm_backbones import TimmFeatures

SMALL_IMAGE = 64  # up to this size a picture is not shrunk before the first block
NAMES = (
    *("resnet18", "resnet18-reduced", "fast", "fast-half", "fast-wide", "small", "tiny"),
    *("timm:NAME", "torchvision:NAME"),
)
PRETRAINED = ("pretrained", "imagenet")  # two words for the published weights
# Filters of the networks for CPUs: of the first stage, and of the two others.
FAST_WIDTHS = {"fast": (64, 256), "fast-half": (32, 128), "fast-wide": (128, 384)}


def backbone(name: str, image_size: int) -> nn.Module:
    """The named feature extractor for pictures of `image_size`, random; NAME+NAME puts several
    side by side. Raises ConfigError.
    """
    if "+" in name:
        return Branches(backbone(part, image_size) for part in name.split("+"))
    if name.startswith(timm_backbones.PREFIX):
        return timm_backbones.timm_backbone(name.removeprefix(timm_backbones.PREFIX), image_size)
    if name.startswith("torchvision:"):
        return without_head(_torchvision_model(name.removeprefix("torchvision:"), image_size))
    if name in FAST_WIDTHS:
        return WhitenedNet(*FAST_WIDTHS[name], stride=max(1, image_size // 32))
    if name == "small":
        return SmallResNet(32, stride=1 if image_size <= SMALL_IMAGE else 4)
    if name == "tiny":
        return SmallResNet(16, stride=max(1, min(4, image_size // 32)))
    if name in ("resnet18", "resnet18-reduced"):
        return resnet18(image_size, last_width=256 if name == "resnet18-reduced" else 512)
    raise ConfigError(f"--backbone {name}: not one of {', '.join(NAMES)}")


def load_weights(model: nn.Module, name: str, image_size: int, weights: str) -> frozenset[str]:
    """Fill the backbone `name` with `weights`: "pretrained" (its published ones, from a package, a
    cache or a hub) or a local file of tensors (.safetensors, or .pth read with weights_only); for
    NAME+NAME one for each, with commas between them.

    Returns the names of the tensors that were filled. Raises ConfigError.
    """
    if isinstance(model, Branches):
        parts = list(zip(model.branches, name.split("+"), strict=True))
        sources = weights.split(",")
        if len(sources) != len(parts):
            raise ConfigError(f"--weights {weights}: {len(sources)} for {len(parts)} branches")
        filled = [
            (i, load_weights(branch, own, image_size, source))
            for i, ((branch, own), source) in enumerate(zip(parts, sources, strict=True))
        ]
        return frozenset(f"branches.{i}.{tensor}" for i, names in filled for tensor in names)
    if isinstance(model, TimmFeatures):
        published = weights in PRETRAINED
        architecture = name.removeprefix(timm_backbones.PREFIX)
        tensors = (
            timm_backbones.published_tensors(architecture) if published else read_tensors(weights)
        )
        names = load_matching(model.model, tensors, weights)
        return frozenset(f"model.{tensor}" for tensor in names)
    if weights not in PRETRAINED:
        return load_matching(model, read_tensors(weights), weights)
    if not name.startswith(("resnet18", "torchvision:")):
        raise ConfigError(f"--weights {weights}: there are none for the backbone {name!r}")
    source = "resnet18" if name.startswith("resnet18") else name.removeprefix("torchvision:")
    tensors = _torchvision_model(source, image_size, "DEFAULT").state_dict()
    return load_matching(model, tensors, weights)


def resnet18(image_size: int, last_width: int = 512) -> nn.Module:
    """ResNet18 up to its last block; the reduced one has 256 filters in its last stage (fig. 2)."""
    model = ResNet(BasicBlock, [2, 2, 2, 2])
    if image_size <= SMALL_IMAGE:
        model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        model.maxpool = nn.Identity()
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    if last_width != 512:
        model.layer4 = nn.Sequential(
            BasicBlock(
                256,
                last_width,
                stride=2,
                downsample=nn.Sequential(
                    nn.Conv2d(256, last_width, 1, stride=2, bias=False), nn.BatchNorm2d(last_width)
                ),
            ),
            BasicBlock(last_width, last_width),
        )
        for module in model.layer4.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    model.avgpool = model.fc = nn.Identity()
    return nn.Sequential(
        *(model.conv1, model.bn1, model.relu, model.maxpool),
        *(model.layer1, model.layer2, model.layer3, model.layer4),
    )


class SmallResNet(nn.Module):
    """Nine layers of w, 2w, 4w and 8w filters, made for CPUs; `stride` is the first one's."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        w = width
        self.stem = _conv_bn(3, w, stride=stride)
        self.stage1, self.residual1 = _conv_bn(w, 2 * w), _residual(2 * w)
        self.stage2 = _conv_bn(2 * w, 4 * w)
        self.stage3, self.residual3 = _conv_bn(4 * w, 8 * w), _residual(8 * w)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, 8w, S/8, S/8), less by the stride."""
        x = F.max_pool2d(self.stage1(self.stem(x)), 2)
        x = x + self.residual1(x)
        x = F.max_pool2d(self.stage2(x), 2)
        x = F.max_pool2d(self.stage3(x), 2)
        features: Tensor = x + self.residual3(x)
        return features


class WhitenedNet(nn.Module):
    """Seven layers for pictures of some 32 pixels, two of `first` filters and four of `others`: a
    small relative of the networks that hold CIFAR-10's speed records.

    The first layer is not learned: `whiten_` makes it decorrelate patches of 2×2 pixels, so that
    training need not. The others start as identities as far as their widths allow.
    """

    def __init__(self, first: int, others: int, stride: int) -> None:
        super().__init__()
        side = 2 * stride  # of a patch; pictures are taken at 1/stride of their size
        self.whitening = nn.Conv2d(3, 24, side, stride=stride, padding=stride)
        self.whitening.requires_grad_(False)
        self.stage1 = _halving(24, first)
        self.stage2 = _halving(first, others)
        self.stage3 = _halving(others, others)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, others, S/8, S/8), less by the stride."""
        features: Tensor = self.stage3(self.stage2(self.stage1(F.relu(self.whitening(x)))))
        return features


class Branches(nn.Module):
    """Extractors side by side, whose features together make one embedding.

    Networks that were trained one after the other make different mistakes. Side by side they are
    one network, still linear after the pooling, so that the evidence stays exact.
    """

    def __init__(self, branches: Iterable[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, F₁ + F₂ + …, h, w); all have one h and w."""
        return torch.cat([branch(x) for branch in self.branches], 1)


def load_matching(model: nn.Module, tensors: dict[str, Tensor], source: str) -> frozenset[str]:
    """Copy the tensors that fit by name and shape, and return their names; raises ConfigError when
    fewer than half do.

    Names may carry a prefix (`backbone.`, `module.`) or be a ResNet's own.
    """
    own = model.state_dict()
    if "0.weight" in own and "conv1.weight" in tensors:  # our ResNet is a plain sequence
        order = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        tensors = {
            ".".join([str(order.index(head)), *rest]): value
            for name, value in tensors.items()
            if (head := name.split(".")[0]) in order and (rest := name.split(".")[1:])
        }
    for prefix in ("module.", "backbone.", "model."):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    fitting = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    if 2 * len(fitting) < len(own):
        raise ConfigError(
            f"--weights {source}: only {len(fitting)} of the {len(own)} tensors fit the backbone"
        )
    model.load_state_dict(fitting, strict=False)
    return frozenset(fitting)


def read_tensors(path: str) -> dict[str, Tensor]:
    """The tensors of a file, by name: no code in it is run. Raises ConfigError."""
    try:
        if path.endswith(".safetensors"):
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"--weights {path}: {error.strerror or error}") from error
    except (safetensors.SafetensorError, *UNREADABLE) as error:
        raise ConfigError(
            f"--weights {path}: not a file of weights (.safetensors, or .pt of tensors alone)"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    return {k: v for k, v in state.items() if isinstance(v, Tensor)}


def _conv_bn(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    """Two layers, the first at the size that comes in, the second at half of it."""
    first, second = _conv_bn(inputs, outputs), _conv_bn(outputs, outputs)
    for layer in (*first, *second):
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight[: layer.in_channels])
    return nn.Sequential(first[0], nn.MaxPool2d(2), *first[1:], *second)


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(_conv_bn(width, width), _conv_bn(width, width))


def _torchvision_model(name: str, image_size: int, weights: str | None = None) -> nn.Module:
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise ConfigError(f"--backbone torchvision:{name}: torchvision has no such classifier")
    options = {"image_size": image_size} if name.startswith("vit_") else {}
    try:
        model: nn.Module = torchvision.models.get_model(name, weights=weights, **options)
    except (OSError, ValueError) as error:
        raise DpnpError(f"torchvision:{name}: {error}") from error
    return model


def without_head(model: nn.Module) -> nn.Module:
    """A classifier cut before its last average pooling; one without pooling loses its last layer.

    What stands between the pooling and the classifier goes too (a second hidden layer, say): the
    evidence would not be exact with it.
    """
    model.eval()  # training adds auxiliary outputs in some models
    tracer = NodePathTracer(leaf_modules=(torchvision.ops.StochasticDepth,))
    graph = tracer.trace(model)
    pooling = [node for node in graph.nodes if _is_pooling(node, model)]
    if pooling:
        (output,) = (node for node in graph.nodes if node.op == "output")
        output.args = (pooling[-1].args[0],)
        cut = fx.GraphModule(model, graph)
        cut.graph.eliminate_dead_code()
        cut.recompile()
        cut.delete_all_unused_submodules()
        return cut.train()
    last = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    parent, _, child = last.rpartition(".")
    setattr(model.get_submodule(parent), child, nn.Identity())
    return model.train()


def _is_pooling(node: fx.Node, model: nn.Module) -> bool:
    if node.op == "call_module":
        return isinstance(model.get_submodule(str(node.target)), nn.AdaptiveAvgPool2d)
    if node.op == "call_method":
        return node.target == "mean" and list(node.args[1:2]) == [[2, 3]]
    return node.target is F.adaptive_avg_pool2d
