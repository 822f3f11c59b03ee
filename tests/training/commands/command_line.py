"""The command line as a user has it: `dpnp WORDS`, in this process."""

import pytest

from training.commands.app import main


def dpnp(*arguments: object, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command line."""
    monkeypatch.setattr("sys.argv", ["dpnp", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def run(
    *arguments: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What a command line that succeeds prints on stdout."""
    assert dpnp(*arguments, monkeypatch=monkeypatch) == 0, capsys.readouterr().err
    return capsys.readouterr().out
