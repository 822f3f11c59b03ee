"""Width first: a narrow embedding starts from a network that was trained in a wide one.

In M − 1 dimensions the prototypes are the corners of a simplex, and lose nothing against a softmax.
A network learns there what it would not learn through three or ten dimensions; a few epochs then
move it into them. Both are runs like any other. The wide one lies in the folder `wide` of the run,
and has its options but for the pull, which stays as weak as it starts. The narrow one learns more
slowly, and what blurs the labels is over: a strong pull takes pictures to their own prototype.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import safetensors.torch

from interpret.bundle.atomic_files import write_atomically
from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.data_record import DataRecord
from training.model.networks import PrototypeNetwork
from training.run import checkpoint

_LOG = logging.getLogger(__name__)

WEIGHTS = "weights.safetensors"
_SLOWER = 3 / 7  # the narrow stage's learning rates over the wide one's


def wide_stage(config: TrainConfig, classes: int) -> TrainConfig:
    """The run before the narrow one. Raises ConfigError where the embedding is not narrow."""
    wide = classes - 1
    if config.embedding_dim is None or config.embedding_dim >= wide:
        raise ConfigError(
            f"--wide-epochs {config.wide_epochs}: {classes} classes need an --embedding-dim below "
            f"{wide}"
        )
    start = config.lambda_pos_start
    return config.model_copy(
        update={
            "wide_epochs": 0,
            "epochs": config.wide_epochs,
            "embedding_dim": wide,
            "lambda_pos": config.lambda_pos if start is None else start,
            "lambda_pos_start": None,
        }
    )


def narrow_stage(config: TrainConfig, folder: Path) -> TrainConfig:
    """The run that follows, from the weights that the wide one left in the run's folder."""
    return config.model_copy(
        update={
            "wide_epochs": 0,
            "warmup_epochs": 0,
            "weights": str(folder / checkpoint.WIDE / WEIGHTS),
            "lr": config.lr * _SLOWER,
            "muon_lr": config.muon_lr * _SLOWER,
            "cutmix": 0.0,
            "label_smoothing": 0.0,
        }
    )


def after_wide(
    run: Callable[..., PrototypeNetwork | None],
    config: TrainConfig,
    classes: int,
    data: DataRecord,
    folder: Path,
    resume: bool,
) -> TrainConfig:
    """Train the wide stage with `run`, as far as it is not done, and keep its weights; the
    configuration of the narrow one. `run` takes a configuration, `folder` and `resume`.
    """
    place, stage = folder / checkpoint.WIDE, wide_stage(config, classes)
    known = resume and (place / checkpoint.FILE).exists()
    if known and (saved := checkpoint.read(place)).finished:
        saved.check_same_run(place, stage, data)
        return narrow_stage(config, folder)
    if not resume:  # the finished run that was here would be taken for this one's
        (folder / checkpoint.FILE).unlink(missing_ok=True)
    _LOG.info("in %d dimensions first:", stage.embedding_dim)
    network = run(stage, folder=place, resume=known)
    if network is not None:
        _keep_weights(network, place)
    _LOG.info("now in %d dimensions:", config.embedding_dim)
    return narrow_stage(config, folder)


def _keep_weights(network: PrototypeNetwork, place: Path) -> None:
    """Write the wide stage's weights, and mark its run as finished."""
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(place / WEIGHTS, safetensors.torch.save(tensors))
    checkpoint.mark_finished(place)
