"""An ensemble: finished runs as the branches of one network, without training.

Networks trained one after the other make different mistakes, and the mean of their softmaxes'
logits is right more often than each. The branches' features z give that mean as one linear map
A·z + b. In as many dimensions as classes less one, the packed prototypes C are the corners of a
regular simplex, and h = C⁺(A·z + b) gives C·h = A·z + b, up to a number that all classes share.
So the nearest prototype is the answer of the mean logits, exactly.
"""

from __future__ import annotations

from pathlib import Path

import torch

from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import TrainingCost
from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.config.training_job import ExportConfig, Provenance, TrainingJob
from training.data.datasets import load_data
from training.export.bundle_export import export_bundle
from training.model.backbones import Branches
from training.model.methods import method_of
from training.model.networks import PrototypeNetwork
from training.run import checkpoint
from training.run.accelerator import device_name
from training.run.distillation import load_network
from training.run.metrics_log import seconds_of


def export_ensemble(
    runs: list[Path],
    spec: str,
    out: Path,
    *,
    half: bool = False,
    gallery: int | None = None,
    data_root: Path = Path("data"),
) -> Bundle:
    """Write at `out` the bundle of the runs' networks as one ensemble; `spec` is their data.

    Raises ConfigError for runs that do not fit together, CheckpointError and DataError.
    """
    if len(runs) < 2:
        raise ConfigError("it takes two runs or more to join them")
    configs = [checkpoint.read(run).config for run in runs]
    last = configs[-1]
    if len({config.fit for config in configs}) > 1:
        raise ConfigError("the runs see other parts of a picture: their --fit differs")
    data = load_data(spec, seed=last.seed, root=data_root, valid_share=last.valid_share)
    classes = len(data.class_names)
    config = last.model_copy(
        update={
            "data": spec,
            "backbone": "+".join(config.backbone for config in configs),
            "embedding_dim": classes - 1,
            "prototype_init": "packed",
            "weights": None,
            "teacher": (),
        }
    )
    data, size = data.with_fit(config.fit), config.image_size or data.image_size
    networks = [load_network(run, classes, size) for run in runs]
    network = ensemble_of(networks, config, size)
    device = device_name(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    cost = TrainingCost(seconds=sum(map(seconds_of, runs)), device=device)
    job = TrainingJob(
        config,
        ExportConfig(half=half, gallery=gallery),
        provenance=Provenance(ensemble=tuple(map(str, runs))),
    )
    return export_bundle(network, job, data, out, cost)


@torch.no_grad()
def ensemble_of(
    networks: list[PrototypeNetwork], config: TrainConfig, image_size: int
) -> PrototypeNetwork:
    """The networks as branches of one, whose logits are the mean of their softmaxes', centred.

    Raises ConfigError when one has no softmax on its wide features, or another normalisation.
    """
    first, softmaxes = networks[0], [network.auxiliary for network in networks]
    for network in networks:
        if network.auxiliary is None:
            raise ConfigError("a run without --auxiliary has no softmax on its wide features")
        if not (torch.equal(network.mean, first.mean) and torch.equal(network.std, first.std)):
            raise ConfigError(
                "the runs were trained on other pictures: their means differ. With --valid-share, "
                "runs of another --seed hold other pictures out: use data with a valid split"
            )
    statistics = (first.mean.flatten().tolist(), first.std.flatten().tolist())
    branches = Branches(network.backbone for network in networks)
    whole = PrototypeNetwork(branches, image_size, config.embedding_dim, statistics=statistics)
    classes = len(first.head.prototypes)
    whole.head = method_of(config, classes, whole.embedding_dim)
    weights = torch.cat([s.weight for s in softmaxes if s is not None], 1) / len(networks)
    biases = torch.stack([s.bias for s in softmaxes if s is not None]).mean(0)
    solve = torch.linalg.pinv(whole.head.prototypes.double())  # (d, M)
    centre = torch.eye(classes, dtype=torch.float64) - 1 / classes
    assert isinstance(whole.projection, torch.nn.Linear)
    whole.projection.weight.copy_(solve @ centre @ weights.double())
    whole.projection.bias.copy_(solve @ centre @ biases.double())
    return whole.eval()
