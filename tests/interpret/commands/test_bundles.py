from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
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


def test_a_receipt_is_never_replaced(toy_bundle: Bundle, tmp_path: Path) -> None:
    place, runner = tmp_path / "new", CliRunner()
    for number, example in enumerate((11, 12)):
        before = toy_bundle.path if number == 0 else place
        command = ["forget", str(before), str(example), "--out", str(place), "--force"]
        assert runner.invoke(build_app(), command).exit_code == 0
    receipts = sorted(file.name for file in tmp_path.glob("*.json"))
    assert receipts == ["new-receipt-2.json", "new-receipt.json"]
    for receipt in (tmp_path / receipts[0], tmp_path / "r.txt"):
        command = ["forget", str(place), "13", "--out", str(tmp_path / "never")]
        result = runner.invoke(build_app(), [*command, "--receipt", str(receipt)])
        assert isinstance(result.exception, DpnpError)
    assert not (tmp_path / "never").exists()
