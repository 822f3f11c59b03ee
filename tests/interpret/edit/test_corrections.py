"""The file of corrections: what is refused, what counts, what is gone."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from interpret.bundle.errors import DpnpError
from interpret.edit.corrections import (
    Correction,
    CorrectionsFile,
    FeedbackFullError,
    FeedbackUnwritableError,
)


def correction(name: str, label: str = "cat", picture: bytes | None = None) -> Correction:
    features = np.array([1.5, -2, 0.25], np.float32)
    return Correction(label, "dog", "m" * 64, "t" * 64, name, features, picture, "request-1")


def test_the_last_of_several_labels_counts(tmp_path: Path):
    with CorrectionsFile(tmp_path / "f", create=True) as file:
        assert [file.add(correction(n, label)) for n, label in (("a", "x"), ("b", "y"))] == [1, 2]
        file.add(correction("a", "z"))
        assert len(file) == 3
    with CorrectionsFile(tmp_path / "f") as file:
        found = file.latest()
    assert [(each.pixels_sha256, each.label) for each in found] == [("b", "y"), ("a", "z")]
    assert found[0].features.tolist() == [1.5, -2, 0.25]
    assert (found[0].answer, found[0].request_id, found[0].picture) == ("dog", "request-1", None)


def test_caps(tmp_path: Path):
    with CorrectionsFile(tmp_path / "f", create=True) as file:
        file.add(correction("a"), max_rows=1)
        with pytest.raises(FeedbackFullError, match="1 rows"):
            file.add(correction("b"), max_rows=1)
        with pytest.raises(FeedbackFullError, match="over 100,000 bytes"):
            file.add(correction("b", picture=bytes(100_000)), max_bytes=100_000)
        assert len(file) == 1


def test_a_full_disk_takes_nothing_and_harms_nothing(tmp_path: Path):
    with CorrectionsFile(tmp_path / "f", create=True) as file:
        file.add(correction("a"))
        [pages] = file._connection.execute("PRAGMA page_count").fetchone()
        # SQLite answers as it does on a full disk, as tests/robustness/disk.py sees it.
        file._connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(
            FeedbackUnwritableError, match="cannot be kept: database or disk is full"
        ):
            file.add(correction("b", picture=bytes(100_000)))
        file._connection.execute("PRAGMA max_page_count=1000000")
        assert file.add(correction("c")) == 2
        assert [each.pixels_sha256 for each in file.latest()] == ["a", "c"]


def test_what_is_removed_is_not_in_the_bytes(tmp_path: Path):
    secret = b"a picture of a face " * 300
    with CorrectionsFile(tmp_path / "f", create=True) as file:
        file.add(correction("a", picture=secret))
        file.add(correction("a"))
        file.add(correction("b"))
        assert file.remove("a") == 2
        assert [each.pixels_sha256 for each in file.latest()] == ["b"]
    assert not any(secret[:40] in part.read_bytes() for part in tmp_path.iterdir())


def test_another_file_is_left_alone(tmp_path: Path):
    with pytest.raises(DpnpError, match="no such file of feedback"):
        CorrectionsFile(tmp_path / "none")
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at " * 9)
    with pytest.raises(DpnpError, match="not a file of feedback"):
        CorrectionsFile(tmp_path / "text", create=True)
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE mine (x)")
    before = (tmp_path / "other").read_bytes()
    for create in (True, False):
        with pytest.raises(DpnpError, match="of another program"):
            CorrectionsFile(tmp_path / "other", create=create)
    assert (tmp_path / "other").read_bytes() == before
    (tmp_path / "empty").touch()
    with pytest.raises(DpnpError, match="it is empty"):
        CorrectionsFile(tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""
    with pytest.raises(DpnpError, match="cannot be made"):
        CorrectionsFile(tmp_path / "folder" / "f", create=True)


def test_a_process_that_dies_without_closing_loses_nothing(tmp_path: Path):
    code = f"""
import os, signal
from pathlib import Path
from interpret.edit.corrections import CorrectionsFile
from tests.interpret.edit.test_corrections import correction
file = CorrectionsFile(Path({str(tmp_path / "f")!r}), create=True)
for number in range(20):
    file.add(correction(str(number)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with CorrectionsFile(tmp_path / "f") as file:
        assert len(file) == 20
