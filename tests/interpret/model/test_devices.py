import os
import subprocess
import sys

import pytest
import torch

from interpret.model.devices import cpu_count, cuda_device_count


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_only_the_cpus_that_the_process_may_use_count() -> None:
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, [{one}])\n"
        "from interpret.model.devices import cpu_count; print(cpu_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert cpu_count() == len(os.sched_getaffinity(0))


def test_the_driver_and_torch_see_the_same_gpus() -> None:
    assert cuda_device_count() == torch.cuda.device_count()
