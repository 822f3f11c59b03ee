"""Any timm classifier as a backbone: the exact map, and where its weights come from."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from interpret.explain.evidence import evidence_map
from interpret.model.predictor import Predictor
from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.export.onnx_export import ServedModel, export
from training.model.backbones import backbone, load_weights
from training.model.networks import PrototypeNetwork, build_network
from training.model.timm_backbones import normalisation, published_tensors, timm_backbone


def network_of(name: str, size: int, dim: int | None = 4, **options: object) -> PrototypeNetwork:
    config = TrainConfig.of(
        data="digits",
        backbone=f"timm:{name}",
        embedding_dim=dim,
        prototype_init="random",
        **options,
    )
    return build_network(config, 5, size, ([0.0] * 3, [1.0] * 3)).eval()


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("tf_efficientnet_lite0", 1280),  # a head convolution before the pooling: inside
        ("mobilenetv3_small_050", 288),  # one after the pooling: gone
        ("resnet18", 512),
        ("convnext_atto", 320),  # a norm after the pooling: gone
        ("repvit_m0_9", 384),
        ("vgg11", 512),  # hidden layers after the pooling: gone
    ],
)
def test_the_map_of_an_average_pooled_model_is_exact(name: str, features: int):
    """Σ evidence = ‖h − c_neg‖² − ‖h − c_pos‖², through ONNX Runtime."""
    torch.manual_seed(0)
    network = network_of(name, 64)
    assert network.width == features
    rows, cols = network.locations
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    found = Predictor(export(ServedModel(network), 64))(pixels, evidence=True)
    prototypes = network.head.prototypes.detach().numpy()
    for embedding, evidence in zip(found.embedding, found.evidence, strict=True):
        assert evidence.shape == (4, rows, cols)
        values = evidence_map(evidence, prototypes[0], prototypes[1])
        away = ((embedding - prototypes) ** 2).sum(1).astype(np.float64)
        scale = abs(away[1] - away[0])
        assert values.sum() == pytest.approx(away[1] - away[0], abs=1e-3 * scale)


def test_a_transformers_map_with_channels_last_is_a_map_too():
    network = network_of("swin_tiny_patch4_window7_224", 224)
    assert (network.width, network.locations) == (768, (7, 7))


def test_a_class_token_has_no_map():
    network = network_of("vit_tiny_patch16_224", 96)
    assert (network.width, network.locations) == (192, ())


def test_names_and_sizes_that_cannot_be_are_said():
    with pytest.raises(ConfigError, match=r"timm has no such model; close to it: .*resnet18"):
        timm_backbone("resnet18x", 64)
    with pytest.raises(ConfigError, match=r"cannot take pictures of 8 pixels"):
        timm_backbone("inception_v3", 8)


def test_the_packaged_weights_are_the_published_ones():
    """Both state dicts have 296 tensors in one order; ImageNet's first class is a fish's logit."""
    network = network_of("tf_efficientnet_lite0", 96, weights="pretrained")
    packaged = published_tensors("tf_efficientnet_lite0")
    whole = timm.create_model("tf_efficientnet_lite0").eval()
    whole.load_state_dict(packaged)
    pixels = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    expected = whole.forward_features((pixels.float() - 127.5) / 127.5)
    torch.testing.assert_close(network(pixels).features, expected)
    assert network.mean.flatten().tolist() == [127.5] * 3
    # Filled: every tensor of the backbone. The classifier's two have no place in it.
    assert len(network.pretrained) == len(packaged) - 2 == 294


def test_the_mean_is_the_backbones_own():
    mean, std = normalisation("resnet18")
    assert mean == pytest.approx([123.675, 116.28, 103.53])
    assert std == pytest.approx([58.395, 57.12, 57.375])


def test_weights_from_a_file_by_timms_names(tmp_path: Path):
    source = timm.create_model("resnet18")
    safetensors.torch.save_file(source.state_dict(), tmp_path / "timm.safetensors")
    torch.save(source.state_dict(), tmp_path / "timm.pth")
    for file in ("timm.safetensors", "timm.pth"):
        model = backbone("timm:resnet18", 64)
        filled = load_weights(model, "timm:resnet18", 64, str(tmp_path / file))
        assert "model.layer4.1.conv2.weight" in filled
        torch.testing.assert_close(model.model.conv1.weight, source.conv1.weight)


def test_weights_from_a_bundle_of_the_same_backbone(tmp_path: Path):
    """weights.safetensors names its tensors backbone.model.…"""
    first = network_of("resnet18", 64)
    safetensors.torch.save_file(first.state_dict(), file := tmp_path / "weights.safetensors")
    second = network_of("resnet18", 64, seed=1, weights=str(file))
    torch.testing.assert_close(
        second.backbone.model.conv1.weight, first.backbone.model.conv1.weight
    )


def test_weights_that_are_nowhere_name_the_file_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import training.model.timm_backbones as tested

    monkeypatch.setattr(tested, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(tested, "ENDPOINT", "https://nowhere.invalid")
    with pytest.raises(ConfigError, match=r"models--timm--resnet18.*model\.safetensors.*--weights"):
        published_tensors("resnet18")
    with pytest.raises(ConfigError, match=r"timm publishes none for timm:test_nothing|no such"):
        published_tensors("test_nothing")


def test_weights_in_the_hubs_cache_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import training.model.timm_backbones as tested

    hub = timm.get_pretrained_cfg("resnet18").hf_hub_id
    folder = tmp_path / f"models--{hub.replace('/', '--')}" / "snapshots" / "main"
    folder.mkdir(parents=True)
    source = timm.create_model("resnet18")
    safetensors.torch.save_file(source.state_dict(), folder / "model.safetensors")
    monkeypatch.setattr(tested, "HF_HUB_CACHE", str(tmp_path))
    tensors = published_tensors("resnet18")
    torch.testing.assert_close(tensors["conv1.weight"], source.conv1.weight)
