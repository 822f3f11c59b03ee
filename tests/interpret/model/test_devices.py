import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from interpret.model.devices import cpu_count, cpu_quota, cuda_device_count

COUNT = "from interpret.model.devices import cpu_count; print(cpu_count())"
CPU_GROUPS = Path("/sys/fs/cgroup/cpu")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_only_the_cpus_that_the_process_may_use_count() -> None:
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{one}])\n{COUNT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert cpu_count() <= len(os.sched_getaffinity(0))


V1 = "5:cpu,cpuacct:/docker/abc\n4:cpuset:/\n3:memory:/docker/abc\n"


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {}, None),
        # The parent's quota binds its children.
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3.0),
        ("0::/a/b\n", {"a/b/cpu.max": "100000 50000\n", "a/cpu.max": "300000 100000\n"}, 2.0),
        # Inside a container the path is the host's, and the mounted root is the group's own.
        ("0::/host/path\n", {"cpu.max": "400000 100000\n"}, 4.0),
        (V1, {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        (
            V1,
            {
                "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "200000\n",
                "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            2.0,
        ),
        # Both versions at once, as systemd mounts them: version 2 stands in `unified`.
        ("1:cpu:/\n0::/\n", {"unified/cpu.max": "100000 100000\n"}, 1.0),
        ("1:cpu:/\n", {"cpu.max": "100000 100000\n"}, None),
    ],
)
def test_the_quota_of_a_container(
    tmp_path: Path, own: str, files: dict[str, str], quota: float | None
) -> None:
    for name, content in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (tmp_path / "own").write_text(own)
    assert cpu_quota(tmp_path / "groups", tmp_path / "own") == quota


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "groups", tmp_path / "own") is None


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of this machine with a quota of one and a half CPUs."""
    folder = CPU_GROUPS / f"dpnp-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "cpu.cfs_quota_us").write_text("150000")
    except OSError:
        pytest.skip("control groups of version 1 cannot be made here")
    yield folder
    folder.rmdir()


def test_a_real_quota_counts(group: Path) -> None:
    entered = f"open({str(group / 'cgroup.procs')!r}, 'w').write('0')"
    done = subprocess.run(
        [sys.executable, "-c", f"{entered}\n{COUNT}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"


def test_the_driver_and_torch_see_the_same_gpus() -> None:
    assert cuda_device_count() == torch.cuda.device_count()
