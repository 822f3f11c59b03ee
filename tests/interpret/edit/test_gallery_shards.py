"""Gallery rows from Parquet shards, and an index that is kept up as the gallery changes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interpret.batch.job import FINGERPRINT
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.edit.forgetting import forget
from interpret.edit.gallery_update import update_gallery
from interpret.retrieval.gallery import Gallery
from interpret.retrieval.vector_index import index_writer

NAMES = ["red", "green", "blue"]


def shard(
    path: Path, rows: int, *, kind: pa.DataType | None = None, **columns: list[object] | None
) -> np.ndarray:
    """A shard of random embeddings; returns them. Columns of None are left out."""
    random = np.random.default_rng(rows)
    embeddings = random.random((rows, 3), np.float32)
    fields = {
        "embedding": pa.array(embeddings.tolist(), kind or pa.list_(pa.float32(), 3)),
        "label": [NAMES[i % 3] for i in range(rows)],
        "source": [f"{path.stem}/{i}.jpg" for i in range(rows)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    given = {name: value for name, value in (fields | columns).items() if value is not None}
    pq.write_table(pa.table(given), path)
    return embeddings


def test_rows_are_added_in_order(toy_bundle: Bundle, tmp_path: Path):
    first = shard(tmp_path / "in" / "a.parquet", 5, thumbnail=[b"webp", None, b"", b"x", b"y"])
    second = shard(tmp_path / "in" / "deep" / "b.parquet", 4, kind=pa.list_(pa.float64()))
    new, _, left_out, *_ = update_gallery(
        toy_bundle, {}, [12], tmp_path / "new", shards=tmp_path / "in"
    )
    assert left_out == 0
    assert new.gallery.ids.tolist() == [10, 11, 13, 14, 15, *range(16, 25)]
    np.testing.assert_allclose(new.embeddings[5:], np.concatenate([first, second]), rtol=1e-7)
    assert new.gallery.labels[5:].tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 0]
    assert new.gallery.sources[8:11] == ["a/3.jpg", "a/4.jpg", "b/0.jpg"]
    assert new.gallery.thumbnails[5:10] == [b"webp", b"", b"", b"x", b"y"]
    assert new.gallery.splits[5:] == ["added"] * 9
    assert new.manifest.changes[-1].what == "gallery: 9 pictures added, 1 removed"
    assert new.next_gallery_id == 25
    again = update_gallery(new, {}, [24], tmp_path / "again").bundle
    assert again.next_gallery_id == 25  # never given again


def test_pictures_that_could_not_be_embedded_are_left_out(toy_bundle: Bundle, tmp_path: Path):
    kind = pa.list_(pa.float32(), 3)
    shard(
        tmp_path / "in" / "a.parquet",
        3,
        embedding=pa.array([[1, 0, 0], None, [0, 0, 1]], kind),
        label=["red", None, "blue"],
    )
    new, _, left_out, *_ = update_gallery(
        toy_bundle, {}, [], tmp_path / "new", shards=tmp_path / "in"
    )
    assert left_out == 1
    assert new.gallery.labels[6:].tolist() == [0, 2]
    np.testing.assert_array_equal(new.embeddings[6:], [[1, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"embedding": None}, "a.parquet: has no column 'embedding'"),
        ({"source": None}, "a.parquet: has no column 'source'"),
        ({"label": ["red", "pink"]}, "a.parquet: no class 'pink' in the model"),
        ({"label": ["red", None]}, "a.parquet: a row from 0 on has an embedding and no label"),
        ({"embedding": ["a", "b"]}, "a.parquet: its embeddings are string, not lists of floats"),
        ({"kind": pa.list_(pa.int64())}, "are list<"),
        ({"embedding": [[1.0, 2.0]] * 2}, "an embedding in rows 0 to 65,536 has not 3 numbers"),
        ({"embedding": [[1.0, 2, 3], [1, None, 3]]}, "has not 3 numbers"),
        (
            {"embedding": pa.array([[1.0, 2.0]] * 2, pa.list_(pa.float32(), 2))},
            "a.parquet: embeddings of 2 numbers; the model has 3",
        ),
        (
            {"embedding": [[1.0, 2, 3], [1, float("nan"), 3]]},
            "a.parquet: the embedding of row 1 is not finite",
        ),
    ],
)
def test_bad_shards_are_named(
    toy_bundle: Bundle, tmp_path: Path, columns: dict[str, object], words: str
):
    if columns.get("kind"):
        columns = {"embedding": pa.array([[1, 2, 3]] * 2, columns["kind"])}
    shard(tmp_path / "in" / "a.parquet", 2, **columns)  # type: ignore[arg-type]
    with pytest.raises(DpnpError) as caught:
        update_gallery(toy_bundle, {}, [], tmp_path / "new", shards=tmp_path / "in")
    assert words in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_folder_without_shards(toy_bundle: Bundle, tmp_path: Path):
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(DpnpError, match=r"--from .*: no Parquet files in it"):
            update_gallery(toy_bundle, {}, [], tmp_path / "new", shards=folder)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.parquet").write_bytes(b"junk")
    with pytest.raises(DpnpError, match=r"a\.parquet: cannot be read"):
        update_gallery(toy_bundle, {}, [], tmp_path / "new", shards=tmp_path / "in")


def test_embeddings_of_another_model_are_refused(toy_bundle: Bundle, tmp_path: Path):
    shard(tmp_path / "in" / "a.parquet", 2)

    def embedded_by(fingerprint: str) -> None:
        table = pq.read_table(tmp_path / "in" / "a.parquet")
        named = table.replace_schema_metadata({FINGERPRINT: fingerprint.encode()})
        pq.write_table(named, tmp_path / "in" / "a.parquet")

    embedded_by("0" * 64)
    with pytest.raises(DpnpError, match="embedded by the model 000000000000, which embeds"):
        update_gallery(toy_bundle, {}, [], tmp_path / "new", shards=tmp_path / "in")
    embedded_by(toy_bundle.manifest.fingerprint)
    new = update_gallery(toy_bundle, {}, [], tmp_path / "new", shards=tmp_path / "in").bundle
    # The embedding of its child is the same.
    newer = update_gallery(new, {}, [], tmp_path / "newer", shards=tmp_path / "in").bundle
    assert len(newer.gallery.ids) == 10


@pytest.fixture(scope="module")
def large(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The toy bundle with 4,000 more rows and an index of cells."""
    folder = tmp_path_factory.mktemp("large")
    shard(folder / "in" / "a.parquet", 4000)
    return update_gallery(
        toy_bundle,
        {},
        [],
        folder / "toy",
        shards=folder / "in",
        index=index_writer(kind="IVF64,Flat"),
    ).bundle


def test_the_index_stands_in_the_manifest(large: Bundle):
    search = large.manifest.search
    assert search is not None
    assert (search.kind, search.rows, search.changed) == ("IVF64,Flat", 4006, 0)
    assert search.recall >= 0.99
    assert "index.faiss" in large.manifest.files
    found = Gallery(Bundle.load(large.path)).search(large.embeddings[:50], 1)
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(50))


def assert_as_exact(bundle: Bundle) -> None:
    asked = np.random.default_rng(5).random((40, 3), np.float32)
    away = np.linalg.norm(asked[:, None].astype(float) - bundle.embeddings, axis=2)
    found = Gallery(bundle).search(asked, 10)
    np.testing.assert_allclose(found.distances, np.sort(away, 1)[:, :10], atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(away, found.rows, 1), found.distances, atol=1e-6)


def test_few_removed_and_added_keep_the_cells(large: Bundle, yellows: Path, tmp_path: Path):
    gone = large.gallery.ids[10:40].tolist()
    new = update_gallery(large, {"red": yellows}, gone, tmp_path / "new").bundle
    search = new.manifest.search
    assert search is not None
    assert (search.kind, search.rows, search.changed) == ("IVF64,Flat", 4006, 32)
    assert len(new.gallery.ids) == 4006 - 30 + 2
    assert_as_exact(new)
    found = Gallery(new).search(new.embeddings[-1:], 1)  # one that was added
    assert new.gallery.ids[found.rows[0, 0]] in new.gallery.ids[-2:]
    less = forget(new, [int(new.gallery.ids[0])], tmp_path / "less").bundle
    assert less.manifest.search is not None
    assert less.manifest.search.changed == 33
    assert_as_exact(less)


def test_what_was_removed_is_not_in_the_file(large: Bundle, tmp_path: Path):
    gone, kept = large.embeddings[100], large.embeddings[101]
    example = int(large.gallery.ids[100])
    new = update_gallery(large, {}, [example], tmp_path / "new").bundle
    for name in ("index.faiss", "embeddings.npy"):
        assert gone.tobytes() in (large.path / name).read_bytes()
        content = (new.path / name).read_bytes()
        assert gone.tobytes() not in content
        assert kept.tobytes() in content


def test_many_changes_give_another_index_or_none(large: Bundle, tmp_path: Path):
    gone = large.gallery.ids[:1000].tolist()
    new = update_gallery(large, {}, gone, tmp_path / "new").bundle
    assert new.manifest.search is None  # 3,006 rows are searched exactly
    assert "index.faiss" not in new.manifest.files
    assert not (new.path / "index.faiss").exists()
    assert_as_exact(new)
