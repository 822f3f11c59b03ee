import pytest
import torch

from tests.training.conftest import quick_config
from training.data.splits import DataSet
from training.run.accelerator import (
    accelerator_for,
    bf16_pays_on_cpu,
    device_name,
    has_bf16,
    precision_of,
)
from training.run.loop import train


def test_precision_is_what_is_asked_for_or_what_suits_the_machine():
    assert precision_of(quick_config(precision="fp32")) == "fp32"
    assert precision_of(quick_config(precision="bf16")) == "bf16"
    assert precision_of(quick_config(precision="auto")) == ("bf16" if has_bf16() else "fp32")


@pytest.mark.parametrize(
    ("matrix_tiles", "avx512_bf16", "vendor", "pays"),
    [
        (True, True, "GenuineIntel", True),
        (False, True, "GenuineIntel", False),
        (False, True, "AuthenticAMD", True),
        (False, False, "AuthenticAMD", False),
    ],
)
def test_the_choice_follows_from_the_processor(
    matrix_tiles: bool, avx512_bf16: bool, vendor: str, pays: bool
):
    description = f"processor : 0\nvendor_id : {vendor}\n"
    assert pays is bf16_pays_on_cpu(
        matrix_tiles=matrix_tiles, avx512_bf16=avx512_bf16, description=description
    )


def test_one_process_computes_in_one_precision_after_the_other():
    for precision, name in (("fp32", "no"), ("bf16", "bf16"), ("fp32", "no")):
        assert accelerator_for(quick_config(precision=precision)).mixed_precision == name


def test_weights_are_float32_in_both_precisions(few_digits: DataSet, tmp_path):
    networks = [
        train(quick_config(precision=precision, epochs=1), few_digits, tmp_path / precision)
        for precision in ("fp32", "bf16")
    ]
    weights = [network.backbone.stem[0].weight for network in networks]
    assert weights[0].dtype == weights[1].dtype == torch.float32
    assert not torch.equal(*weights)


def test_a_cpu_is_named_with_its_threads():
    threads = torch.get_num_threads()
    assert device_name(torch.device("cpu")) == f"CPU ({threads} threads)"
