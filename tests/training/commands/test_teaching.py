"""Teaching by corrections on the shipped digits, from the file to answers that differ."""

import json
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.edit.corrections import Correction, CorrectionsFile
from interpret.explain.explainer import Explainer
from interpret.model.onnx_projection import projection_of, trunk_digest
from interpret.model.predictor import Predictor
from tests.serving.servers import BEARER, TOKEN, encode, serve, upload
from tests.training.commands.command_line import dpnp, run
from training.data.splits import DataSet, Split

DIGITS = Path(__file__).parents[3] / "models" / "digits-dpnp"


@pytest.fixture(scope="module")
def mistaken(digits: DataSet) -> list[tuple[Image.Image, str]]:
    """Test pictures that the shipped model answers wrong, with their labels."""
    explainer, split = Explainer.load(DIGITS), digits.splits["test"]
    answers = explainer.classify(split.pixels(explainer.preprocessing.size, ""))
    return [
        (split.open_picture(i), digits.class_names[split.labels[i]])
        for i, answer in enumerate(answers)
        if answer.index != split.labels[i]
    ]


def corrections_file(path: Path, bundle: Bundle, split: Split, labels: list[str]) -> Path:
    """Features of a split's first pictures, with labels that somebody gave."""
    predictor = Predictor(bundle, pooled=True)
    pixels = split.subset(np.arange(len(labels))).pixels(predictor.input_size, "")
    pooled = predictor(pixels).pooled
    assert pooled is not None
    trunk = trunk_digest(bundle.read("model.onnx"))
    with CorrectionsFile(path, create=True) as file:
        for number, label in enumerate(labels):
            file.add(Correction(label, "?", "m", trunk, str(number), pooled[number]))
    return path


def test_from_feedback_to_another_answer(
    mistaken: list[tuple[Image.Image, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    served, feedback = tmp_path / "digits", tmp_path / "feedback.db"
    shutil.copytree(DIGITS, served)
    parent = Bundle.load(served)
    settings = {"DPNP_BUNDLE": served, "DPNP_FEEDBACK": feedback, "DPNP_API_TOKEN": TOKEN}
    with (
        serve(tmp_path / "log", **settings) as server,
        httpx.Client(base_url=server.url, headers=BEARER, timeout=60) as client,
    ):
        pictures = [encode(picture) for picture, _ in mistaken]
        for content, (_, label) in zip(pictures, mistaken, strict=True):
            sent = client.post("/feedback", files=upload(content), data={"label": label})
            assert sent.json()["answer"] != label
        printed = run(
            *("teach", served, "--feedback", feedback, "--out", served, "--force"),
            monkeypatch=monkeypatch,
            capsys=capsys,
        )
        assert f"{len(mistaken)} corrections: 0 were answered as they say" in printed
        swapped = client.post("/admin/reload").json()
        taught = Bundle.load(served)
        # The watch over the folder may have been quicker than this request.
        assert swapped["model"]["fingerprint"] == taught.manifest.fingerprint
        answers = [client.post("/predict", files=upload(content)).json() for content in pictures]
    learnt = sum(a["label"] == label for a, (_, label) in zip(answers, mistaken, strict=True))
    assert learnt >= 0.5 * len(mistaken)
    assert f"{learnt} would be" in printed
    change = taught.manifest.changes[-1]
    assert change.parent == parent.manifest.fingerprint
    assert change.what == f"taught {len(mistaken)} corrections, {learnt} of them learnt"


def test_graph_weights_and_gallery_bear_the_same_head(
    digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    bundle = Bundle.load(DIGITS)
    labels = [digits.class_names[i] for i in digits.splits["test"].labels[:30]]
    file = corrections_file(tmp_path / "f", bundle, digits.splits["test"], labels)
    out = tmp_path / "out"
    run("teach", DIGITS, "--feedback", file, "--out", out, monkeypatch=monkeypatch, capsys=capsys)
    taught = Bundle.load(out)
    model = taught.read("model.onnx")
    tensors = safetensors.numpy.load(taught.read("weights.safetensors"))
    head = projection_of(model)
    np.testing.assert_array_equal(tensors["projection.weight"], head.weight)
    np.testing.assert_array_equal(tensors["projection.bias"], head.bias)
    np.testing.assert_array_equal(tensors["prototypes"], taught.prototypes)
    assert trunk_digest(model) == trunk_digest(bundle.read("model.onnx"))
    assert not np.allclose(head.weight, projection_of(bundle.read("model.onnx")).weight)
    # The gallery's embeddings are what the new graph computes of its pictures.
    train = digits.splits["train"]
    places = {source: row for row, source in enumerate(train.sources)}
    rows = np.array([places[s] for s in taught.gallery.sources[:50]])
    pixels = train.subset(rows).pixels(taught.manifest.input_size, "")
    found = Predictor(taught)(pixels, evidence=True)
    np.testing.assert_allclose(taught.embeddings[:50], found.embedding, atol=0.02)
    assert found.evidence is not None
    np.testing.assert_allclose(found.evidence.mean((2, 3)), found.embedding, atol=1e-3)
    features = taught.features()  # computed from the training pictures, and kept from now on
    assert features is not None
    assert features.shape == (len(taught.embeddings), 256)
    assert taught.manifest.thresholds != bundle.manifest.thresholds
    assert taught.manifest.metrics.split == "test"
    assert taught.manifest.metrics.examples == 359  # none of them was given with its pixels


def test_a_dry_run_and_a_refusal_write_nothing(
    digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    split = digits.splits["test"]
    right = [digits.class_names[i] for i in split.labels[:20]]
    file = corrections_file(tmp_path / "right", Bundle.load(DIGITS), split, right)
    command = ("teach", DIGITS, "--feedback", file)
    printed = run(*command, "--dry-run", "--json", monkeypatch=monkeypatch, capsys=capsys)
    found = json.loads(printed)
    assert (found["corrections"], found["measured"]["split"]) == (20, "test")
    assert found["choice"]["split"] == "valid"
    assert found["features"] == "computed from the training pictures"
    assert len(found["measured"]["per_class"]) == 10
    wrong = [str((int(label) + 1) % 10) for label in split.labels]
    file = corrections_file(tmp_path / "wrong", Bundle.load(DIGITS), split, wrong)
    # The stiff heads do not believe so many wrong labels: only a soft one is to be refused.
    monkeypatch.setattr("training.export.teach.STIFFNESSES", (1e-3,))
    code = dpnp(
        *("teach", DIGITS, "--feedback", file, "--out", tmp_path / "out", "--max-loss", 0),
        monkeypatch=monkeypatch,
    )
    captured = capsys.readouterr()
    assert code == 2
    assert "by more than --max-loss 0" in captured.err
    assert "The class that pays most:" in captured.out
    assert not (tmp_path / "out").exists()


def test_without_features_or_pictures_embeddings_are_corrected(
    digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    bundle = Bundle.load(DIGITS)
    private = bundle.gallery.rows(np.arange(len(bundle.embeddings)))
    private = private.__class__(**vars(private) | {"sources": ["?"] * len(private.ids)})
    write_bundle(
        tmp_path / "private",
        bundle.manifest,
        model=bundle.read("model.onnx"),
        prototypes=bundle.prototypes,
        embeddings=bundle.embeddings,
        gallery=private,
        weights=bundle.read("weights.safetensors"),
    )
    labels = [digits.class_names[i] for i in digits.splits["test"].labels[:30]]
    file = corrections_file(tmp_path / "f", bundle, digits.splits["test"], labels)
    command = ("teach", tmp_path / "private", "--feedback", file, "--out", tmp_path / "out")
    printed = run(*command, monkeypatch=monkeypatch, capsys=capsys)
    assert "embeddings alone are corrected" in printed
    taught, old = Bundle.load(tmp_path / "out"), projection_of(bundle.read("model.onnx"))
    assert not taught.has_features
    new = projection_of(taught.read("model.onnx"))
    step = new.weight @ np.linalg.pinv(old.weight)
    np.testing.assert_allclose(step @ old.weight, new.weight, atol=1e-3)  # a linear map of h
    shift = new.bias - step @ old.bias
    expected = bundle.embeddings @ step.T + shift
    np.testing.assert_allclose(taught.embeddings, expected, atol=0.02)


def test_what_cannot_be_learnt_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    with CorrectionsFile(tmp_path / "f", create=True) as file:
        pass
    command = ("teach", DIGITS, "--feedback", tmp_path / "f")
    assert dpnp(*command, "--dry-run", monkeypatch=monkeypatch) == 2
    assert "no corrections in it" in capsys.readouterr().err
    assert dpnp(*command, monkeypatch=monkeypatch) == 2
    assert "give one of --out and --dry-run" in capsys.readouterr().err
    features = np.zeros(256, np.float32)
    with CorrectionsFile(tmp_path / "f") as file:
        file.add(Correction("cat", "3", "m", "t", "a", features))
        file.add(Correction("3", "5", "m", "another", "b", features))
    assert dpnp(*command, "--dry-run", monkeypatch=monkeypatch) == 2
    problem = capsys.readouterr().err
    assert "1 of classes that the model does not have" in problem
    assert "1 of another network, without their pictures" in problem
