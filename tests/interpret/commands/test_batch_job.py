"""`dpnp predict --out DIR` and its options."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.commands.app import build_app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (4, 4), (255, 0, 0)).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")
    Image.new("RGB", (4, 4)).save(folder / "c.png")  # black: none of these
    return folder


def test_a_folder_of_shards_and_the_gallery_from_it(
    toy_bundle: Bundle, folder: Path, tmp_path: Path
) -> None:
    def ok(*words: object) -> str:
        result = CliRunner().invoke(build_app(), list(map(str, words)))
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    out, new = tmp_path / "answers", tmp_path / "new"
    line = f"written: {out}, 3 pictures in 1 shard{{}}; 1 unreadable, whose rows say why\n"
    predict = ("predict", toy_bundle.path, folder, "--out", out, "--embeddings")
    assert ok(*predict) == line.format("")
    assert ok(*predict) == line.format(", 1 of them from before")
    assert ok("update-gallery", toy_bundle.path, "--from", out, "--out", new).splitlines() == [
        "left out: 1 row without an embedding",
        "left out: 1 picture of no class, neither by the source nor by the model",
        "labelled by the model: 1 picture that the source gives no label",
        f"written: {new} (gallery: 1 pictures added, 0 removed)",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "2"], "--workers: belongs to shards; give a folder, --out DIR"),
        (["--embeddings"], "--embeddings: belongs to shards"),
        (["--engine", "ray", "--out", "a.csv"], "--engine ray: belongs to shards"),
        (["--workers", "2", "--out", "{}/out"], "--workers: belongs to --engine ray, which is not"),
        (["--gpus-per-worker", "1", "--out", "{}/out"], "--gpus-per-worker: belongs to --engine"),
        (["--out", "{}/a.xlsx"], "tables are written as .parquet or .csv, shards into a folder"),
        (["--out", "{}/pictures"], "lies within the source"),
        (["--out", "{}/a.csv", "--json"], "--json and --out: give one of them"),
    ],
)
def test_options_that_do_not_go_together(
    toy_bundle: Bundle, folder: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    command = ["predict", str(toy_bundle.path), str(folder)]
    command += [option.format(tmp_path) for option in options]
    result = CliRunner().invoke(build_app(), command)
    assert isinstance(result.exception, DpnpError)
    assert words in str(result.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["pictures"]
