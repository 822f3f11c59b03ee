"""A batch job on Ray Data: actors that each load the bundle once, on one machine or a cluster.

Bundle, source and job folder are read and written by the workers themselves, so on a cluster they
lie where every node finds them at the same path. Ray moves the parts' numbers and counts, no
pictures.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from interpret.batch.engines import Workers
from interpret.batch.job import Done, Job
from interpret.batch.places import absolute, is_remote
from interpret.batch.worker import Worker
from interpret.bundle.errors import DpnpError
from interpret.bundle.missing_parts import named_parts

with named_parts():
    import ray
    import ray.data
    from ray.exceptions import RayError

_PATIENCE = 10  # seconds until a cluster's address answers
_OBJECT_STORE = 128 * 2**20  # bytes, of a Ray that is started here: numbers and counts are small


class _Actor:
    """A process of Ray that works on parts."""

    def __init__(
        self, folder: str, bundle: str, threads: int, gpu: bool, sources: Sequence[str]
    ) -> None:
        """`sources` are paths that must be here, too."""
        self._made: Worker | str
        try:
            for source in sources:
                if not Path(source).exists():
                    raise DpnpError(f"{source}: is not on this node")
            device: Any = "cuda" if gpu else "cpu"
            self._made = Worker(Path(folder), Path(bundle), threads=threads, device=device)
        except (DpnpError, OSError) as error:  # raised here, Ray would start the actor for ever
            self._made = f"{ray.util.get_node_ip_address()}: {error}"

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Do a part; `problem` says why the whole job must end, if it must."""
        number = int(row["part"])
        done, problem = Done(number, 0, 0), ""
        if isinstance(self._made, str):
            problem = self._made
        else:
            try:
                done = self._made(number)
            except OSError as error:
                problem = str(error)
        return {**done._asdict(), "problem": problem}


def connect() -> None:
    """Connect to the Ray that RAY_ADDRESS names or that runs on this machine, or start one here.

    Raises DpnpError when RAY_ADDRESS leads nowhere.
    """
    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS", "")
    _check_answers(address)
    # A Ray that starts here tells nobody. What goes wrong comes as an exception, so its own log
    # would only break the progress bar.
    for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_BACKEND_LOG_LEVEL", "fatal")):
        os.environ.setdefault(name, value)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    try:
        ray.init(address="auto", **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if address:
            text = " ".join(str(error).split())
            raise DpnpError(f"RAY_ADDRESS={address}: no Ray that can be used ({text})") from error
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE,
            **quiet,
        )


def _check_answers(address: str) -> None:
    """Raise DpnpError where nobody listens at HOST:PORT: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except OSError as error:
        raise DpnpError(f"RAY_ADDRESS={address}: no Ray answers there ({error})") from error


def run(folder: Path, bundle: Path, parts: Sequence[int], workers: Workers) -> Iterator[Done]:
    """Do these parts of the job in `folder`, in any order.

    A part whose worker was killed is done again by another. Raises DpnpError.
    """
    cpus, plan = _cpus_per_worker(workers.gpus), Job.read(folder).plan
    sources = [absolute(s, plan.folder) for s in plan.sources if not is_remote(s)]
    here = [source for source in sources if Path(source).exists()]
    ray.data.DataContext.get_current().enable_progress_bars = False  # the command has its own
    data = ray.data.from_items([{"part": n} for n in parts], override_num_blocks=len(parts))
    done = data.map(
        _Actor,
        fn_constructor_args=(str(folder), str(bundle), cpus, workers.gpus > 0, here),
        compute=ray.data.ActorPoolStrategy(size=min(_fitting(workers, cpus), len(parts))),
        num_cpus=cpus,
        num_gpus=workers.gpus,
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        for row in done.iter_rows():
            if row["problem"]:
                raise DpnpError(row["problem"])
            yield Done(row["part"], row["pictures"], row["unreadable"])
    except RayError as error:
        raise DpnpError(f"Ray: {' '.join(str(error).split())}") from error


def _cpus_per_worker(gpus: float) -> int:
    """The CPUs of a worker: one, or beside a GPU its share of the node's, which decode for it.

    Raises DpnpError when no node has so many GPUs.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not gpus:
        return 1
    fitting = [node for node in nodes if node.get("GPU", 0) >= gpus]
    if not fitting:
        raise DpnpError(f"--gpus-per-worker {gpus:g}: Ray has no node with so many GPUs")
    return max(1, min(int(node.get("CPU", 1) * gpus // node["GPU"]) for node in fitting))


def _fitting(workers: Workers, cpus: int) -> int:
    """The size of the pool: as asked for, or as many as fit on the nodes there are."""
    if workers.processes is not None:
        return workers.processes
    resources = ray.cluster_resources()
    fitting = resources.get("CPU", 1) // cpus
    if workers.gpus:
        fitting = min(fitting, resources.get("GPU", 0) // workers.gpus)
    return max(1, int(fitting))
