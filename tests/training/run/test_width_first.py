"""A narrow embedding that starts from a wide one, whole and cut."""

from pathlib import Path

import pytest

from tests.training.run.whole_and_cut import interrupt_after, same_weights
from training.config.errors import CheckpointError, ConfigError
from training.config.train_config import TrainConfig
from training.data.splits import DataSet
from training.run import checkpoint, metrics_log
from training.run.loop import train
from training.run.width_first import WEIGHTS, narrow_stage, wide_stage

CONFIG = TrainConfig.of(
    data="digits",
    backbone="tiny",
    image_size=16,
    embedding_dim=3,
    wide_epochs=2,
    epochs=2,
    head_start="features",
    radius=10,
    lr=0.002,
    cutmix=0.5,
    label_smoothing=0.1,
    lambda_pos=0.5,
    lambda_pos_start=0.01,
)


@pytest.fixture(scope="module")
def whole(few_digits: DataSet, tmp_path_factory: pytest.TempPathFactory):
    run = tmp_path_factory.mktemp("width") / "run"
    return train(CONFIG, few_digits, run), run


def test_what_differs_between_the_stages():
    wide, narrow = wide_stage(CONFIG, 10), narrow_stage(CONFIG, Path("runs/mine"))
    assert (wide.embedding_dim, wide.epochs, wide.wide_epochs) == (9, 2, 0)
    assert (wide.lambda_pos, wide.lambda_pos_start, wide.lr) == (0.01, None, 0.002)
    assert (wide.cutmix, wide.label_smoothing) == (0.5, 0.1)
    assert (narrow.embedding_dim, narrow.epochs, narrow.wide_epochs) == (3, 2, 0)
    assert (narrow.lambda_pos, narrow.lambda_pos_start) == (0.5, 0.01)
    assert narrow.lr == pytest.approx(0.002 * 3 / 7)
    assert narrow.muon_lr == pytest.approx(wide.muon_lr * 3 / 7)
    assert (narrow.cutmix, narrow.label_smoothing) == (0, 0)
    assert narrow.weights == f"runs/mine/wide/{WEIGHTS}"


@pytest.mark.parametrize("dim", [None, 9, 512])
def test_an_embedding_that_is_not_narrow_is_refused(dim, few_digits: DataSet, tmp_path: Path):
    config = CONFIG.model_copy(update={"embedding_dim": dim})
    with pytest.raises(ConfigError, match="10 classes need an --embedding-dim below 9"):
        train(config, few_digits, tmp_path / "run")


def test_both_stages_leave_their_run(whole, few_digits: DataSet):
    network, run = whole
    assert network.embedding_dim == 3
    assert checkpoint.read(run).config.wide_epochs == 2
    assert checkpoint.read(run / checkpoint.WIDE).config.embedding_dim == 9
    assert [len(metrics_log.read(run / name)) for name in (".", checkpoint.WIDE)] == [2, 2]


@pytest.mark.parametrize(("stage", "epoch"), [("wide", 1), ("wide", 2), ("narrow", 1)])
def test_a_cut_run_goes_on_to_the_same_weights(
    stage: str, epoch: int, whole, few_digits: DataSet, tmp_path: Path
):
    run, seen = tmp_path / "run", []
    after = epoch + (2 if stage == "narrow" else 0)  # epochs of both stages

    def on_epoch(metrics: metrics_log.EpochMetrics) -> None:
        seen.append(metrics)
        if len(seen) == after:
            interrupt_after(epoch)(metrics)

    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, few_digits, run, on_epoch=on_epoch)
    with pytest.raises(CheckpointError, match="holds an unfinished run"):
        train(CONFIG, few_digits, run)
    network = train(CONFIG, few_digits, run, resume=True)
    assert network is not None
    assert same_weights(whole[0], network)


def test_another_run_in_the_place_of_a_finished_one(whole, few_digits: DataSet, tmp_path: Path):
    """A finished run may be overwritten; cut in its wide stage, the new one is resumed, not it."""
    run = tmp_path / "run"
    train(CONFIG, few_digits, run)
    checkpoint.mark_finished(run)
    other = CONFIG.model_copy(update={"seed": 1})
    with pytest.raises(KeyboardInterrupt):
        train(other, few_digits, run, on_epoch=interrupt_after(1))
    with pytest.raises(CheckpointError, match="another configuration: seed"):
        train(CONFIG, few_digits, run, resume=True)
    network = train(other, few_digits, run, resume=True)
    assert network is not None
    assert not same_weights(whole[0], network)
