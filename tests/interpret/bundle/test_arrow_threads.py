"""Reading Parquet starts no threads of Arrow.

At the interpreter's end Arrow's threads may abort the process: its exit code is then 134, and what
it did was right.
"""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interpret.bundle.bundle import Bundle

TASKS = Path("/proc/self/task")
READ = """
import os, sys
from pathlib import Path
import pyarrow.parquet  # its allocator has a thread of its own, which does no harm
from interpret.bundle.bundle import Bundle
from interpret.edit.gallery_shards import Shards

before = os.listdir("/proc/self/task")
bundle = Bundle.load(sys.argv[1])
table = bundle.gallery
texts = [*table.splits, *table.sources, *table.pixel_hashes]
parts = list(Shards(Path(sys.argv[2]), bundle).parts(100))
print(len(texts), len(parts[0].embeddings), len(os.listdir("/proc/self/task")) - len(before))
"""


@pytest.mark.skipif(not TASKS.is_dir(), reason="threads are counted in /proc")
def test_galleries_and_shards(toy_bundle: Bundle, tmp_path: Path):
    rows = {"embedding": [[1.0, 0.0, 0.0]] * 4, "label": ["red"] * 4, "source": ["a.png"] * 4}
    # Without statistics the missing embeddings are counted in the column itself.
    pq.write_table(pa.table(rows), tmp_path / "shard.parquet", write_statistics=False)
    done = subprocess.run(
        [sys.executable, "-c", READ, toy_bundle.path, tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["18", "4", "0"]
