import numpy as np
import pytest
import torch

from tests.training.conftest import quick_config
from training.data import batches as tested
from training.data.batches import Resident, Streamed, batches, free_memory, in_order
from training.data.splits import DataSet
from training.run.loop import train

CPU = torch.device("cpu")


@pytest.mark.parametrize("workers", [0, 2])
def test_streamed_and_resident_give_the_same_batches(digits: DataSet, workers: int):
    split = digits.splits["valid"]
    rows = [torch.tensor([3, 1, 2]), torch.tensor([170, 0])]
    pairs = zip(
        Resident(split, 16, "", CPU)(rows), Streamed(split, 16, workers, CPU)(rows), strict=True
    )
    for (a, labels), (b, same_labels) in pairs:
        assert a.dtype == b.dtype == torch.uint8
        assert torch.equal(a, b)
        assert torch.equal(labels, same_labels)
        assert a.is_contiguous(memory_format=torch.channels_last)


def test_pictures_stay_in_memory_as_far_as_it_goes(
    digits: DataSet, monkeypatch: pytest.MonkeyPatch
):
    """179 pictures of 65 pixels take 2.3 MB, of which a quarter of the free memory is enough."""
    split = digits.splits["valid"]
    assert isinstance(batches(split, 65, "", 0, CPU), Resident)
    needed = len(split) * 3 * 65**2
    monkeypatch.setattr(tested, "free_memory", lambda device: 4 * needed)
    assert isinstance(batches(split, 65, "", 0, CPU), Resident)
    monkeypatch.setattr(tested, "free_memory", lambda device: 4 * needed - 1)
    assert isinstance(batches(split, 65, "", 0, CPU), Streamed)
    assert isinstance(batches(split, 64, "", 0, CPU), Resident)  # small ones always


def test_the_free_memory_is_known_here():
    assert free_memory(CPU) > 1e6


def test_in_order_covers_every_row_once():
    assert torch.cat(in_order(10, 4)).tolist() == list(range(10))


def test_large_pictures_train_with_random_resized_crops(digits: DataSet, tmp_path):
    few = {name: split.subset(np.arange(96)) for name, split in digits.splits.items()}
    data = DataSet("few", digits.class_names, few, image_size=72)
    network = train(quick_config(image_size=72, epochs=2), data, tmp_path)
    assert network.locations == (2, 2)
