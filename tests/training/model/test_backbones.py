from pathlib import Path

import pytest
import safetensors.torch
import torch
from torchvision.models import VisionTransformer

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.model.backbones import backbone, load_weights, read_tensors, resnet18, without_head
from training.model.networks import PrototypeNetwork, build_network


def filled(name: str, size: int, weights: Path | str) -> torch.nn.Module:
    model = backbone(name, size)
    load_weights(model, name, size, str(weights))
    return model


def parameters(module: torch.nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


@pytest.mark.parametrize(
    ("name", "dim", "classes", "millions"),
    [
        ("resnet18", None, 10, 11.17),
        ("resnet18-reduced", 3, 10, 5.20),
        ("small", 3, 10, 1.64),
        ("fast", 3, 10, 1.97),
        ("fast-half", 3, 10, 0.50),
        ("fast-wide", 3, 10, 4.60),
    ],
)
def test_parameter_counts(name: str, dim: int | None, classes: int, millions: float):
    """The paper: "more than 11 million", and "~5 million" for the reduced network."""
    config = TrainConfig.of(data="cifar10", backbone=name, embedding_dim=dim)
    network = build_network(config, classes, 32, ([0.0] * 3, [1.0] * 3))
    assert parameters(network) == pytest.approx(millions, abs=0.01)


def test_branches_are_their_networks_side_by_side(tmp_path: Path):
    names, files = ("tiny", "fast-half"), [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    own = [backbone(name, 32).eval() for name in names]
    for network, file in zip(own, files, strict=True):
        state = {f"backbone.{name}": value for name, value in network.state_dict().items()}
        safetensors.torch.save_file(state, file)
    both = backbone("+".join(names), 32).eval()
    taken = load_weights(both, "+".join(names), 32, ",".join(map(str, files)))
    assert taken == set(both.state_dict())
    pixels = torch.rand(2, 3, 32, 32)
    expected = torch.cat([network(pixels) for network in own], 1)
    torch.testing.assert_close(both(pixels), expected)
    with pytest.raises(ConfigError, match=r"1 for 2 branches"):
        load_weights(both, "+".join(names), 32, str(files[0]))
    embedding, maps, _ = (network := PrototypeNetwork(both, 32, 5))(pixels)
    assert torch.allclose(network.local_embeddings(maps).mean((2, 3)), embedding, atol=1e-5)


@pytest.mark.parametrize("size", [32, 64, 224])
def test_stem_follows_the_picture_size(size: int):
    first = resnet18(size)[0]
    assert first.stride == ((1, 1) if size <= 64 else (2, 2))


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("resnet34", 512),
        ("mobilenet_v3_small", 576),
        ("densenet121", 1024),  # pools in a function
        ("shufflenet_v2_x0_5", 1024),  # pools with mean()
        ("vgg11", 512),  # pools before hidden layers
        ("regnet_y_400mf", 440),  # pools inside its blocks too
    ],
)
def test_any_torchvision_classifier_ends_before_its_pooling(name: str, features: int):
    network = PrototypeNetwork(backbone(f"torchvision:{name}", 64), 64, embedding_dim=5).eval()
    embedding, maps, _ = network(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    assert maps.shape[:2] == (2, features)
    assert len(network.locations) == 2
    assert torch.allclose(network.local_embeddings(maps).mean((2, 3)), embedding, atol=1e-5)


def test_cut_network_computes_what_the_whole_one_did():
    """ResNet: features cut before pooling, pooled by hand, equal the original's avgpool."""
    torch.manual_seed(0)
    from torchvision.models import resnet18 as original

    model = original().eval()
    seen = []
    model.avgpool.register_forward_hook(lambda _, __, output: seen.append(output.flatten(1)))
    pixels = torch.randn(2, 3, 64, 64)
    model(pixels)
    cut = without_head(model).eval()
    torch.testing.assert_close(cut(pixels).mean((2, 3)), seen[0])


def test_class_token_network_has_no_locations():
    vit = VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64
    )
    network = PrototypeNetwork(without_head(vit), 32, embedding_dim=3)
    assert network.locations == ()
    assert network(torch.zeros(2, 3, 32, 32)).embedding.shape == (2, 3)


def test_features_without_projection_are_the_embedding():
    network = PrototypeNetwork(backbone("small", 32), 32, embedding_dim=None).eval()
    embedding, maps, _ = network(torch.zeros(1, 3, 32, 32))
    assert network.embedding_dim == 256
    assert torch.equal(embedding, maps.mean((2, 3)))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_file(tmp_path: Path, suffix: str):
    source, file = backbone("small", 32), tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(source.state_dict(), file)
    else:
        safetensors.torch.save_file(source.state_dict(), file)
    loaded = filled("small", 32, file).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in source.state_dict().items())


def test_torchvision_resnet_weights_fit_ours(tmp_path: Path):
    """As ImageNet's do: all but the stem, which is another for small pictures."""
    from torchvision.models import resnet18 as original

    theirs = original().state_dict()
    torch.save(theirs, tmp_path / "resnet18.pth")
    ours = filled("resnet18", 32, tmp_path / "resnet18.pth").state_dict()
    assert torch.equal(ours["7.1.conv2.weight"], theirs["layer4.1.conv2.weight"])
    large = filled("resnet18", 224, tmp_path / "resnet18.pth").state_dict()
    assert torch.equal(large["0.weight"], theirs["conv1.weight"])


def test_weights_of_a_bundle_start_a_new_network(tmp_path: Path):
    trained = PrototypeNetwork(backbone("small", 32), 32, 3)
    safetensors.torch.save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    loaded = filled("small", 32, tmp_path / "weights.safetensors")
    assert torch.equal(loaded.stem[0].weight, trained.backbone.stem[0].weight)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("resnet19", None, "resnet19: not one of"),
        ("torchvision:nope", None, "torchvision has no such classifier"),
        ("small", "missing.pth", "missing.pth: .*No such file"),
        ("small", "imagenet", "there are none for the backbone 'small'"),
    ],
)
def test_errors_name_the_option(name: str, weights: str | None, message: str):
    with pytest.raises(ConfigError, match=message):
        filled(name, 32, weights or "unused.pth")


def test_weights_of_another_network_are_refused(tmp_path: Path):
    torch.save({"foo": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"only 0 of the \d+ tensors fit"):
        filled("small", 32, tmp_path / "other.pth")


def test_pickled_code_is_refused(tmp_path: Path):
    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ConfigError, match=r"evil\.pth"):
        filled("small", 32, tmp_path / "evil.pth")


@pytest.mark.parametrize("content", [b"", b"hello world", b"q", b"\x80", b"\x80\x02}q", b"{}"])
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_file_that_is_no_weights_is_named(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=r"w\.\w+: not a file of weights"):
        read_tensors(str(tmp_path / name))
