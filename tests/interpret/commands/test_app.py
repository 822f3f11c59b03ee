import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from interpret.bundle.bundle import Bundle
from interpret.commands.app import build_app
from interpret.commands.console import run
from interpret.explain.answers import Classification, Explanation
from tests.conftest import write_toy_bundle
from tests.interpret.model.forged_pictures import png_header


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, one of them broken."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in (("red", (255, 51, 0)), ("green", (0, 255, 0)), ("grey", (128, 128, 0))):
        Image.new("RGB", (8, 8), colour).save(folder / f"{name}.png")
    (folder / "broken.png").write_text("text named png")
    (folder / "bomb.png").write_bytes(png_header(20_000, 20_000))
    return folder


@pytest.fixture
def bundle(toy_bundle: Bundle) -> str:
    return str(toy_bundle.path)


def ok(*arguments: object) -> Result:
    result = CliRunner().invoke(build_app(), [str(a) for a in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stderr == ""
    return result


def cells(table: str) -> list[list[str]]:
    rows = [line for line in table.splitlines() if line.startswith(("┃", "│"))]
    return [[c.strip() for c in line.replace("┃", "│").strip("│").split("│")] for line in rows]


def test_predict_prints_a_table(bundle: str, folder: Path) -> None:
    head, *rows = cells(ok("predict", bundle, folder / "red.png", folder / "grey.png").stdout)
    assert head[:4] == ["file", "label", "probability", "verdict"]
    assert head[4:] == ["distance", "negative", "distance", "margin", "limit passed"]
    red, grey = str(folder / "red.png"), str(folder / "grey.png")
    # h = (1, 0.2, 0): e / (e + e^0.2 + 1) = 55.0 %, 0.2 from red, √1.64 from green
    assert rows[0] == [red, "red", "55.0%", "accept", "0.200", "green", "1.281", "1.081", ""]
    assert rows[1][:4] == [grey, "red", "38.4%", "ambiguous"]
    assert rows[1][-1] == f"margin {rows[1][-2]} < 0.100"


def test_what_is_not_recognised_is_not_called_by_a_class(
    bundle: str, folder: Path, tmp_path: Path
) -> None:
    black = tmp_path / ("long" * 30) / "black.png"  # a row of it stays one line
    black.parent.mkdir()
    Image.new("RGB", (4, 4)).save(black)
    expected = [
        *(str(black), "not recognised", "", "none of these"),
        *("red", "1.000", "green", "1.000", "0.000", "distance 1.000 > 0.900"),
    ]
    head, row = cells(ok("predict", bundle, black).stdout)
    assert head[1:6] == ["label", "probability", "verdict", "nearest", "distance"]
    assert row == expected
    explained = ok("explain", bundle, black, "--out", tmp_path / "why.png").stdout
    assert cells(explained)[1] == expected


def test_predict_json_is_a_list_of_the_service_s_answers(bundle: str, folder: Path) -> None:
    (document,) = json.loads(ok("predict", bundle, folder / "red.png", "--json").stdout)
    assert document.pop("file") == str(folder / "red.png")
    answer = Classification.model_validate(document)
    assert set(document) == set(Classification.model_fields)
    assert (answer.label, answer.verdict, answer.negative.label) == ("red", "accept", "green")
    assert answer.margin == pytest.approx(math.sqrt(1.64) - 0.2)


def test_predict_json_of_several_is_in_their_order(bundle: str, folder: Path) -> None:
    files = [str(folder / f"{name}.png") for name in ("red", "green", "red")]
    documents = json.loads(ok("predict", bundle, *files, "--json").stdout)
    assert [d.pop("file") for d in documents] == files
    labels = [Classification.model_validate(d).label for d in documents]
    assert labels == ["red", "green", "red"]


def test_more_pictures_than_a_batch(bundle: str, folder: Path) -> None:
    files = [folder / "red.png", *[folder / "green.png"] * 70, folder / "red.png"]
    documents = json.loads(ok("predict", bundle, *files, "--json").stdout)
    assert [d["label"] for d in documents] == ["red"] + ["green"] * 70 + ["red"]


def test_one_unreadable_picture_does_not_cost_the_others(bundle: str, folder: Path) -> None:
    files = [str(folder / f"{name}.png") for name in ("red", "broken", "none", "green")]
    result = CliRunner().invoke(build_app(), ["predict", bundle, *files, "--json"])
    assert result.exit_code == 2
    assert [d["file"] for d in json.loads(result.stdout)] == [files[0], files[3]]
    broken, missing = result.stderr.splitlines()
    assert broken.startswith(f"error: {files[1]}: not a picture")
    assert missing == f"error: {files[2]}: No such file or directory"


def test_explain_writes_the_figure(bundle: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "why.png"
    result = ok("explain", bundle, folder / "red.png", "--out", out, "-k", 2)
    assert cells(result.stdout)[1][1] == "red"
    assert result.stdout.splitlines()[-1] == f"written: {out}"
    with Image.open(out) as figure:
        assert figure.format == "PNG"
        assert min(figure.size) > 1000


def test_explain_json(bundle: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "why.svg"
    stdout = ok("explain", bundle, folder / "red.png", "--out", out, "-k", 2, "--json").stdout
    answer = Explanation.model_validate_json(stdout)
    assert [e.id for e in answer.neighbours] == [10, 13]
    assert answer.evidence is not None
    assert np.sum(answer.evidence.values) == pytest.approx(1.64 - 0.04, rel=1e-6)
    assert out.read_text().rstrip().endswith("</svg>")


def test_similar_to_a_prototype(bundle: str, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    result = ok("similar", bundle, "--prototype", "blue", "-k", 2, "--out", out)
    assert cells(result.stdout) == [
        ["id", "label", "distance", "split", "source"],
        ["12", "blue", "0.000", "train", "c.png"],
        ["15", "blue", "0.500", "train", "f.png"],
    ]
    assert out.stat().st_size > 1000


def test_similar_json(bundle: str, folder: Path) -> None:
    picture = ok("similar", bundle, "--image", folder / "green.png", "-k", 2, "--json").stdout
    document = json.loads(picture)
    assert document["query"] == {"kind": "image", "label": None, "k": 2}
    assert [e["id"] for e in document["results"]] == [11, 14]
    document = json.loads(ok("similar", bundle, "--prototype", "red", "--json").stdout)
    assert document["query"] == {"kind": "prototype", "label": "red", "k": 9}
    assert len(document["results"]) == 6  # all there are
    assert document["results"][0] == {
        "id": 10,
        "label": "red",
        "distance": 0.0,
        "thumbnail": "/gallery/10",
    }


def failing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[object],
    out: str = "",
) -> str:
    """What `run` writes to stderr for a command line that must exit 2; stdout holds `out`."""
    monkeypatch.setattr(sys, "argv", ["dpnp", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        run(build_app())
    captured = capsys.readouterr()
    assert caught.value.code == 2
    assert captured.out == out
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("predict {dir}/none {dir}/red.png", "none/manifest.json: No such file or directory"),
        ("predict {dir} {dir}/red.png", "is {dir} a bundle?"),
        ("predict {dir}/red.png {dir}/red.png", "Not a directory"),
        ("predict {toy} {dir}/none.png", "none.png: No such file or directory"),
        ("predict {toy} {new}", "{new}: no pictures in this folder"),
        ("predict {toy} {dir}/red.png --out {new}/a.xlsx", "written as .parquet or .csv"),
        ("predict {toy} {dir}/red.png --out {dir}/red.png/a.csv", "a.csv cannot be written"),
        ("predict {toy} {dir}/red.png --out /proc/a.parquet", "/proc/a.parquet cannot be written"),
        ("similar {toy} --image {dir}", "{dir}: Is a directory"),
        ("predict {toy} {dir}/broken.png", "broken.png: not a picture in a format we read"),
        ("predict {toy} {dir}/broken.png --json", "broken.png: not a picture"),
        ("explain {toy} {dir}/broken.png --out {new}/a.png", "broken.png: not a picture"),
        ("explain {toy} {dir}/red.png --out {new}/a.gif", "a.gif: figures are written as .png"),
        ("explain {toy} {dir}/red.png --out {new}", "figures are written as"),
        ("explain {toy} {dir}/red.png --out {dir}/red.png/a.png", "a.png cannot be written"),
        ("explain {toy} {dir}/red.png --out /proc/a.png", "/proc/a.png cannot be written"),
        ("similar {toy}", "give one of --image and --prototype, not neither"),
        ("similar {toy} --image {dir}/red.png --prototype red", "not both"),
        ("similar {toy} --prototype pink", "no class 'pink'; the classes are red, green, blue"),
        ("similar {toy} --image {dir}/none.png", "none.png: No such file"),
        ("similar {toy} --prototype red --out {new}/a.tiff", "figures are written as"),
    ],
)
def test_bad_input_is_one_line_on_stderr(
    bundle: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: str,
) -> None:
    places = {"toy": bundle, "dir": folder, "new": tmp_path}
    out = "[]\n" if "--json" in arguments else ""  # a list always, of what could be read
    stderr = failing(monkeypatch, capsys, [a.format(**places) for a in arguments.split()], out)
    assert stderr.startswith("error: ")
    assert stderr.count("\n") == 1
    assert words.format(**places) in stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("predict", "Missing argument"),
        ("predict toy", "Missing argument"),
        ("explain toy a.png", "Missing option '--out'"),
        ("explain toy a.png --out b.png -k 0", "Invalid value for '-k'"),
        ("explain toy a.png --out b.png -k 101", "Invalid value for '-k'"),
        ("similar toy --prototype red -k many", "Invalid value for '-k'"),
        ("similar toy --colour red", "No such option"),
        ("foretell", "No such command 'foretell'"),
    ],
)
def test_a_wrong_option_is_one_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str, words: str
) -> None:
    stderr = failing(monkeypatch, capsys, list(arguments.split()))
    assert stderr.startswith("error: ")
    assert stderr.count("\n") == 1
    assert words in stderr
    assert "--help)" in stderr


def test_a_damaged_bundle_names_the_file(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_toy_bundle(tmp_path / "toy").path
    (path / "model.onnx").write_bytes(b"junk")
    stderr = failing(monkeypatch, capsys, ["predict", path, folder / "red.png"])
    assert stderr == (
        f"error: {path}/model.onnx: changed since it was written (SHA-256 does not match)\n"
    )


def test_class_names_are_not_markup(tmp_path: Path, folder: Path) -> None:
    names = ["[red]x[/red]", ":cat:", "[/]"]
    path = write_toy_bundle(tmp_path / "toy", class_names=names).path
    rows = cells(ok("predict", path, folder / "red.png").stdout)
    assert (rows[1][1], rows[1][5]) == ("[red]x[/red]", ":cat:")


def shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "interpret.commands.app", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_process_from_start_to_end(bundle: str, folder: Path) -> None:
    done = shell("predict", bundle, folder / "red.png", folder / "bomb.png", "--json")
    assert done.returncode == 2
    assert [d["label"] for d in json.loads(done.stdout)] == ["red"]
    assert done.stderr == (
        f"error: {folder}/bomb.png: the picture has 20000×20000 pixels; the limit is 250000000\n"
    )


def test_a_name_that_is_no_text(bundle: str, tmp_path: Path) -> None:
    name = tmp_path / b"\xff.png".decode(errors="surrogateescape")
    Image.new("RGB", (4, 4), (255, 0, 0)).save(name)
    for option in ([], ["--json"]):
        done = shell("predict", bundle, name, *option)
        assert (done.returncode, done.stderr) == (0, "")
        assert "red" in done.stdout


def test_help_names_the_commands() -> None:
    text = shell("--help").stdout
    assert all(command in text for command in ("predict", "explain", "similar"))


@pytest.mark.parametrize("command", ["predict", "explain", "similar"])
def test_every_command_s_help_has_an_example(command: str) -> None:
    assert f"Example: dpnp {command} models/" in ok(command, "--help").stdout


def test_no_arguments_show_the_help() -> None:
    assert "Usage: dpnp" in shell().stdout
