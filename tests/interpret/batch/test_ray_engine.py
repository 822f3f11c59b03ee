"""A batch job on a real Ray of two workers: the answers of one process, also when one is killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from interpret.batch.columns import Extras
from interpret.batch.engines import Workers
from interpret.batch.job import SHARDS
from interpret.batch.run import run_job
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.commands.app import build_app
from tests.conftest import write_toy_bundle
from tests.interpret.batch.conftest import COLOURS, png

ray = pytest.importorskip("ray")

# Ray Data sets its own options by their old names, and warns of that itself.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:`use_push_based_shuffle` is deprecated! Configure `shuffle_strategy` instead."
        ":DeprecationWarning"
    ),
    pytest.mark.filterwarnings(
        "ignore:`use_arrow_tensor_v2` is deprecated. Configure `arrow_fixed_shape_tensor_format` "
        "instead.:DeprecationWarning"
    ),
    pytest.mark.filterwarnings(
        "ignore:`use_polars` is deprecated, please configure `use_polars_sort`  instead."
        ":DeprecationWarning"
    ),
    pytest.mark.usefixtures("cluster"),
]

ROWS, PART = 2000, 100


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on this machine."""
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=80 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in a Parquet file, of which a few cannot be read."""
    file = tmp_path_factory.mktemp("source") / "pictures.parquet"
    content = [b"" if i % 500 == 7 else png(list(COLOURS)[i % 3]) for i in range(ROWS)]
    table = pa.table({"image": content, "key": [str(i) for i in range(ROWS)]})
    pq.write_table(table, file, row_group_size=PART)
    return file


@pytest.fixture(scope="module")
def local(toy_bundle: Bundle, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shards of one process."""
    out = tmp_path_factory.mktemp("local") / "out"
    run_job(toy_bundle.path, [str(source)], out, Extras(embeddings=True))
    return out


def assert_same(out: Path, local: Path) -> None:
    names = [file.name for file in sorted(local.iterdir())]
    assert [file.name for file in sorted(out.iterdir())] == names
    for name in names:
        if name.startswith("part-"):
            assert pq.read_table(out / name).equals(pq.read_table(local / name))


def workers() -> list[psutil.Process]:
    """The processes of Ray that hold a worker of a job."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "_Actor" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_a_cut_job_goes_on_and_loses_nothing_with_a_worker(
    toy_bundle: Bundle, source: Path, local: Path, tmp_path: Path
) -> None:
    out, killed = tmp_path / "out", []
    shutil.copytree(local, out)
    for shard in sorted(out.glob(SHARDS))[3:]:
        shard.unlink()
    kept = {shard: shard.stat().st_mtime_ns for shard in out.glob(SHARDS)}

    def kill() -> None:
        while len(list(out.glob(SHARDS))) < 5:
            time.sleep(0.002)
        [victim, *_] = workers()
        os.kill(victim.pid, signal.SIGKILL)
        killed.append(len(list(out.glob(SHARDS))))

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    command = ["predict", str(toy_bundle.path), str(source), "--out", str(out)]
    command += ["--embeddings", "--engine", "ray", "--workers", "2"]
    result = CliRunner().invoke(build_app(), command)
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stdout.splitlines()[-1] == (  # after what Ray says of the dead worker
        f"written: {out}, 2,000 pictures in 20 shards, 3 of them from before; 4 unreadable, whose "
        "rows say why"
    )
    killer.join()
    assert 5 <= killed[0] < ROWS // PART
    assert_same(out, local)
    assert all(shard.stat().st_mtime_ns == at for shard, at in kept.items())


def test_another_bundle_on_a_node_ends_the_job(
    source: Path, tmp_path: Path, toy_bundle: Bundle
) -> None:
    from interpret.batch import ray_engine
    from interpret.batch.job import Job
    from interpret.batch.sources import list_sources

    other = write_toy_bundle(tmp_path / "other", name="other")
    listing = list_sources([str(source)])
    out = tmp_path / "out"
    Job.opened(out, toy_bundle.manifest, [str(source)], listing, Extras())
    with pytest.raises(DpnpError, match=r"/other: is \w{12} here; the job is of \w{12}"):
        list(ray_engine.run(out, other.path, [0], Workers(1)))
    actor = ray_engine._Actor(str(out), str(toy_bundle.path), 1, False, ["/no/such/folder"])
    assert actor({"part": 0})["problem"].endswith("/no/such/folder: is not on this node")
    with pytest.raises(DpnpError, match="--gpus-per-worker 1: Ray has no node with so many GPUs"):
        list(ray_engine.run(out, other.path, [0], Workers(1, gpus=1)))


def test_an_address_where_nobody_listens_is_told_before_the_work(
    toy_bundle: Bundle, source: Path, tmp_path: Path
) -> None:
    """In a process of its own: this one has a Ray."""
    command = [sys.executable, "-m", "interpret.commands.app", "predict", str(toy_bundle.path)]
    command += [str(source), "--out", str(tmp_path / "out"), "--engine", "ray"]
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        environment = os.environ | {"RAY_ADDRESS": address}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: RAY_ADDRESS={address}: no Ray answers there")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
