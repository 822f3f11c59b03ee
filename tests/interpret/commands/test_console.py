"""Tables on terminals of any width, and on pipes."""

import pytest

from interpret.commands.console import print_table

COLUMNS = ("file", "label", " distance", "limit passed")
ROWS = [
    ("pictures/a long name.jpg", "cat", "0.779", ""),
    ("b.jpg", "dog", "12.345", "distance 12.345 > 9.876"),
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


def test_a_wide_terminal_has_a_table(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("COLUMNS", "100")
    print_table(COLUMNS, ROWS)
    assert any(
        "b.jpg" in line and "12.345 > 9.876" in line
        for line in capsys.readouterr().out.splitlines()
    )


@pytest.mark.parametrize("width", [30, 44])
def test_on_a_narrow_one_each_value_has_a_line(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    terminal.setenv("COLUMNS", str(width))
    print_table(COLUMNS, ROWS)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"distance 0.779", "label dog", ""} <= set(lines)
    assert sum(line.startswith("limit passed") for line in lines) == 1  # a value that there is


def test_a_pipe_has_a_line_for_each_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    print_table(COLUMNS, ROWS)
    out = capsys.readouterr().out.splitlines()
    assert any(all(value in line for value in ROWS[1]) for line in out)
