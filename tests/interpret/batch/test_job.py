"""A batch job in this process: its shards, a cut job that goes on, and jobs that are refused."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interpret.batch.columns import Extras
from interpret.batch.job import SHARDS, Done, Job, check_finished
from interpret.batch.run import Result, run_job
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.bundle.gallery_table import pixel_hash
from interpret.edit.gallery_update import update_gallery
from tests.conftest import write_toy_bundle
from tests.interpret.batch.conftest import COLOURS, png
from tests.shards_made import write_tar

ALL = Extras(embeddings=True, thumbnails=True)


def rows(out: Path) -> list[dict[str, Any]]:
    files = sorted(out.glob(SHARDS))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


@pytest.fixture
def run(toy_bundle: Bundle, tmp_path: Path) -> Callable[..., Result]:
    def run(source: Path, extras: Extras = ALL) -> Result:
        return run_job(toy_bundle.path, [str(source)], tmp_path / "out", extras)

    return run


def test_shards_have_a_row_for_every_picture(
    run: Callable[..., Result], pictures: Callable[[int], Path], tmp_path: Path, toy_bundle: Bundle
) -> None:
    folder, out = pictures(130), tmp_path / "out"
    bad = folder / "red" / "00000.png"
    bad.write_bytes(bad.read_bytes()[:40])
    result = run(folder)
    assert (result.shards, result.kept) == (3, 0)
    assert (result.finished.pictures, result.finished.unreadable) == (130, 1)
    found = {row["source"]: row for row in rows(out)}
    assert list(found) == sorted(map(str, folder.rglob("*.png")))
    for source, row in found.items():
        own = Path(source).parent.name
        assert row["own_label"] == own
        if source == str(bad):
            assert row["error"].startswith(f"{bad}: the picture's header is corrupt: ")
            assert {row[n] for n in ("label", "embedding", "thumbnail", "pixels_sha256")} == {None}
            continue
        assert (row["label"], row["verdict"], row["error"]) == (own, "accept", None)
        assert row["embedding"] == [c / 255 for c in COLOURS[own]]
        pixels = np.full((4, 4, 3), COLOURS[own], np.uint8)
        assert row["pixels_sha256"] == pixel_hash(pixels)
        assert row["thumbnail"][8:12] == b"WEBP"
    metadata = pq.read_schema(out / "part-000000.parquet").metadata
    assert metadata[b"dpnp.fingerprint"].decode() == toy_bundle.manifest.fingerprint
    assert [f.name for f in sorted(out.iterdir())] == [
        *("job.json", "part-000000.parquet", "part-000001.parquet", "part-000002.parquet"),
        "parts.arrow",
    ]


def test_a_cut_job_goes_on(
    run: Callable[..., Result], pictures: Callable[[int], Path], tmp_path: Path
) -> None:
    out, folder = tmp_path / "out", pictures(200)
    run(folder)
    whole, shards = rows(out), sorted(out.glob(SHARDS))
    kept = shards[1].stat().st_mtime_ns
    shards[0].unlink()
    shards[2].write_bytes(shards[2].read_bytes()[:100])  # damaged since
    (out / ".part-000003-0123").write_bytes(b"of a killed worker")
    result = run(folder)
    assert (result.shards, result.kept) == (4, 2)
    assert result.finished.pictures == 200
    assert rows(out) == whole
    assert shards[1].stat().st_mtime_ns == kept
    assert not list(out.glob(".part-*"))
    assert run(folder).kept == 4


def test_a_killed_process_is_gone_on_from(
    toy_bundle: Bundle, tmp_path: Path, run: Callable[..., Result]
) -> None:
    """The command line, killed after its first shards."""
    source, out = tmp_path / "many.parquet", tmp_path / "out"
    content = [png(list(COLOURS)[i % 3]) for i in range(5000)]
    keys = [f"{i}" for i in range(5000)]
    pq.write_table(pa.table({"image": content, "key": keys}), source, row_group_size=100)
    command = [sys.executable, "-m", "interpret.commands.app", "predict"]
    command += [str(toy_bundle.path), str(source), "--out", str(out), "--embeddings"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while len(list(out.glob(SHARDS))) < 2:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    assert process.wait() != 0
    written = {file: file.stat().st_mtime_ns for file in out.glob(SHARDS)}
    assert len(written) < 50
    with pytest.raises(DpnpError, match=r"the job is not finished \(\d+ of 50 shards\)"):
        check_finished(out)
    result = run(source, Extras(embeddings=True))
    assert (result.shards, result.kept) == (50, len(written))
    assert all(file.stat().st_mtime_ns == at for file, at in written.items())
    assert [row["source"] for row in rows(out)] == keys
    check_finished(out)


def test_archives_and_lists_become_jobs_too(run: Callable[..., Result], tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    for i, colour in enumerate(COLOURS):
        write_tar(shards / f"{i}.tar", [("a.png", png(colour)), ("a.cls", colour.encode())])
    write_tar(shards / "none.tar", [("readme.md", b"no picture")])
    (shards / "3.tar").write_bytes(b"x" * 1000)
    result = run(shards)
    assert (result.shards, result.finished.pictures, result.finished.unreadable) == (5, 4, 1)
    found = rows(tmp_path / "out")
    assert [row["label"] for row in found] == ["red", "green", "blue", None]
    assert [row["own_label"] for row in found] == ["red", "green", "blue", None]
    assert found[3]["source"] == str(shards / "3.tar")
    assert "cannot be read after 0 pictures" in found[3]["error"]


def test_another_job_s_folder_is_refused(
    run: Callable[..., Result], pictures: Callable[[int], Path], tmp_path: Path
) -> None:
    folder, out = pictures(10), tmp_path / "out"
    run(folder)
    before = rows(out)
    with pytest.raises(DpnpError, match="is of a job with --embeddings and --thumbnails; give an"):
        run(folder, Extras())
    with pytest.raises(DpnpError, match=r"answers to another source \(.*/pictures\); give another"):
        run(folder / "red")
    other = write_toy_bundle(tmp_path / "other", name="other")
    with pytest.raises(DpnpError, match=r"holds answers of another bundle \(toy, \w{12}\)"):
        run_job(other.path, [str(folder)], out, ALL)
    (folder / "red" / "new.png").write_bytes(png("red"))
    words = r"to the source before it changed \(10 pictures, now 11\); give another --out"
    with pytest.raises(DpnpError, match=words):
        run(folder)
    assert rows(out) == before
    with pytest.raises(DpnpError, match=r"exists and holds no job \(job\.json\)"):
        run_job(other.path, [str(folder)], other.path)
    with pytest.raises(DpnpError, match=r"--out .*red: lies within the source .*pictures; give"):
        run_job(other.path, [str(folder)], folder / "red")
    document = json.loads((out / "job.json").read_text())
    (out / "job.json").write_text(json.dumps(document | {"parts": "many"}))
    with pytest.raises(DpnpError, match=r"job\.json: parts: Input should be a valid integer"):
        run(folder)


def test_two_processes_do_not_run_one_job(
    run: Callable[..., Result], pictures: Callable[[int], Path], tmp_path: Path
) -> None:
    folder = pictures(3)
    run(folder)
    job = Job.read(tmp_path / "out")
    with job.held(), pytest.raises(DpnpError, match="another process runs this job"):
        run(folder)
    assert job.done(0) == Done(0, 3, 0)
    assert run(folder).kept == 1


def test_a_gallery_comes_from_the_shards(
    run: Callable[..., Result],
    pictures: Callable[[int], Path],
    tmp_path: Path,
    toy_bundle: Bundle,
) -> None:
    folder = pictures(90)
    (folder / "red" / "00000.png").write_bytes(png("blue"))  # its own label counts
    (folder / "red" / "00003.png").write_bytes(b"no picture")
    run(folder)
    new = update_gallery(toy_bundle, {}, [], tmp_path / "new", shards=tmp_path / "out")
    assert new.without_embedding == 1
    gallery = new.bundle.gallery
    assert len(gallery.ids) == 6 + 89
    row = gallery.sources.index(str(folder / "red" / "00000.png"))
    assert new.bundle.manifest.class_names[gallery.labels[row]] == "red"
    assert new.bundle.embeddings[row].tolist() == [0, 0, 1]
    assert gallery.thumbnails[row][8:12] == b"WEBP"
    (tmp_path / "out" / "part-000001.parquet").unlink()
    job = Job.read(tmp_path / "out")
    job = Job(job.folder, job.plan.model_copy(update={"finished": None}))
    (tmp_path / "out" / "job.json").write_text(job.plan.model_dump_json())
    with pytest.raises(DpnpError, match=r"the job is not finished \(1 of 2 shards\)"):
        update_gallery(toy_bundle, {}, [], tmp_path / "more", shards=tmp_path / "out")
