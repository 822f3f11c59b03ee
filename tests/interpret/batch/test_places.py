"""Addresses in an object store, read by pyarrow's own S3 client."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interpret.batch.job import SHARDS
from interpret.batch.places import below, is_remote_folder, read_place, stamp
from interpret.batch.run import run_job
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from tests.interpret.batch.conftest import png
from tests.interpret.batch.s3_server import s3_server

ODD = "pictures/red/a b#1 100%.png"  # what an address must not lose


def tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def bucket() -> Iterator[None]:
    table = io.BytesIO()
    pq.write_table(pa.table({"image": [png("blue")], "key": ["blue"]}), table)
    files = {
        f"bucket/{ODD}": png("red"),
        "bucket/pictures/green/2.png": png("green"),
        "bucket/pictures/readme.md": b"no picture",
        "bucket/shards/0.tar": tar("a.png", png("green")),
        "bucket/table.parquet": table.getvalue(),
    }
    with s3_server(files) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", "id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "key")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.mark.usefixtures("bucket")
def test_files_of_a_bucket() -> None:
    assert is_remote_folder("s3://bucket/pictures")
    assert not is_remote_folder("s3://bucket/shards/0.tar")
    found = below("s3://bucket/pictures/")
    assert [file.place for file in found] == [
        "s3://bucket/pictures/green/2.png",
        "s3://bucket/pictures/readme.md",
        f"s3://bucket/{ODD}",
    ]
    assert found[2].stamp == f"{len(png('red'))}:1767225600000000000"
    assert stamp(found[2].place) == ""
    assert read_place(f"s3://bucket/{ODD}") == png("red")
    with pytest.raises(FileNotFoundError):
        read_place("s3://bucket/none.png")
    with pytest.raises(DpnpError, match="s3://bucket/none: there is nothing at this address"):
        is_remote_folder("s3://bucket/none")


@pytest.mark.usefixtures("bucket")
def test_a_job_over_a_bucket(toy_bundle: Bundle, tmp_path: Path) -> None:
    sources = [f"s3://bucket/{name}" for name in ("pictures", "shards", "table.parquet")]
    result = run_job(toy_bundle.path, sources, tmp_path / "out")
    assert (result.finished.pictures, result.finished.unreadable, result.shards) == (4, 0, 3)
    shards = sorted((tmp_path / "out").glob(SHARDS))
    rows = [row for file in shards for row in pq.ParquetFile(file).read().to_pylist()]
    assert [(row["source"], row["label"], row["own_label"]) for row in rows] == [
        ("s3://bucket/pictures/green/2.png", "green", "green"),
        (f"s3://bucket/{ODD}", "red", "red"),
        ("s3://bucket/shards/0.tar/a.png", "green", None),
        ("blue", "blue", None),
    ]
    assert run_job(toy_bundle.path, sources, tmp_path / "out").kept == 3
