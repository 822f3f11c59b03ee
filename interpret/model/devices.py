"""The CPUs and CUDA devices that this process may use, found without importing torch."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")  # where Linux and containers show their control groups
_OWN_GROUPS = Path("/proc/self/cgroup")


def cpu_count() -> int:
    """The CPUs this process may use: its affinity or its container's quota, the smaller.

    A quota of 2.5 CPUs counts as two, one below 1 as one.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = cpu_quota()
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cpu_quota(groups: Path = _CGROUPS, own: Path = _OWN_GROUPS) -> float | None:
    """The CPUs that the control groups of this process allow, versions 1 and 2; None: all.

    The quota of a parent group binds its children too, so the smallest counts.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:  # not Linux
        return None
    found: list[float] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2, alone or beside version 1
            for root in (groups, groups / "unified"):
                found += _quotas(root, path, _version_2)
        elif "cpu" in controllers.split(","):
            for name in {"cpu", controllers}:
                found += _quotas(groups / name, path, _version_1)
    return min(found, default=None)


def _quotas(root: Path, path: str, read: Callable[[Path], tuple[int, int]]) -> Iterator[float]:
    """The quotas of a group and of all above it. A container may not see its own path."""
    group = root / path.lstrip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(root):
            return
        try:
            quota, period = read(folder)
        except (OSError, ValueError):  # no such file, or "max": no limit here
            continue
        if quota > 0 and period > 0:  # version 1 says -1 for no limit
            yield quota / period


def _version_1(folder: Path) -> tuple[int, int]:
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    quota, period = (int((folder / name).read_text()) for name in names)
    return quota, period


def _version_2(folder: Path) -> tuple[int, int]:
    quota, period = (folder / "cpu.max").read_text().split()
    return int(quota), int(period)


def cuda_device_count() -> int:
    """The CUDA devices that the driver shows; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
