from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from interpret.bundle.bundle import Bundle
from interpret.commands.app import build_app


def test_gallery_rows_from_parquet(toy_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = {"embedding": [[1.0, 0, 0], None], "label": ["red", "red"], "source": ["a", "b"]}
    pq.write_table(pa.table(rows), tmp_path / "in" / "a.parquet")
    words = ["--from", str(tmp_path / "in"), "--out", str(tmp_path / "new")]
    result = CliRunner().invoke(build_app(), ["update-gallery", str(toy_bundle.path), *words])
    assert result.exit_code == 0
    assert "left out: 1 row without an embedding" in result.stdout
    assert "(gallery: 1 pictures added, 0 removed)" in " ".join(result.stdout.split())
    assert Bundle.load(tmp_path / "new").gallery.sources[-1] == "a"
