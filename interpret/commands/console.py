"""What all commands share: the application, errors as one line, tables and JSON on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interpret.bundle.errors import DpnpError
from interpret.bundle.missing_parts import missing_part

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDEST = 4096  # columns; above the length of any path
_PIPE_WIDTH = 200  # columns of a table that is not on a terminal: wide enough never to cut
_SHORTEST_TEXT = 12  # characters of a text in a table; in fewer nobody reads a name

# Click's own error, or that of the copy of Click that Typer brings along.
_UsageError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="models/NAME")]
Out = Annotated[Path, typer.Option(metavar="BUNDLE", help="the bundle to write, models/NAME")]
Force = Annotated[bool, typer.Option("--force", help="replace a bundle that exists at --out")]
Strict = Annotated[
    bool, typer.Option("--strict", help="fail on a corrupt picture instead of skipping it")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def new_app() -> typer.Typer:
    """An application without commands yet."""
    return typer.Typer(
        help="Image classifiers that explain themselves: Deep Positive-Negative Prototypes.",
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def run(app: typer.Typer) -> None:
    """Run the command line and exit.

    What is the input's fault, a wrong option, a DpnpError or a file that cannot be read or
    written, becomes one line on stderr and exit code 2. Anything else is a bug and keeps its
    traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A pipe may be ASCII or cp1252: what it cannot take must not undo the work.
            stream.reconfigure(errors="replace")
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], prog_name="dpnp", standalone_mode=False))
    except _UsageError as error:
        where = f" (see {error.ctx.command_path} --help)" if error.ctx is not None else ""
        complain(f"{error.format_message().rstrip('.')}{where}")
    except DpnpError as error:
        complain(error)
    except ModuleNotFoundError as error:
        if (part := missing_part(error)) is None:
            raise
        complain(part)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}")
    sys.exit(2)


def complain(problem: object) -> None:
    """One line on stderr."""
    typer.echo("error: " + " ".join(str(problem).splitlines()), err=True)


def print_json(document: Any) -> None:
    """Indented JSON on stdout."""
    import json

    typer.echo(json.dumps(document, indent=2))  # ASCII: any file name survives any terminal


def printable(path: object) -> str:
    """Text that every UTF-8 stream takes: names on disk may hold bytes that are no text."""
    return str(path).encode(errors="replace").decode()


def counted(number: int, thing: str) -> str:
    """A number of things in words: 1 picture, 2,000 pictures."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; columns whose heading starts with a space are numbers. On a terminal that
    is too narrow for it, each row is a list of its headings and values.
    """
    from rich.table import Table

    console = _console()
    if console.is_terminal and console.width < _readable_width(columns, rows):
        show(_lists(columns, rows))
        return
    table = Table()
    for name in columns:
        number = name.startswith(" ")
        table.add_column(
            name.strip(), justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    for row in rows:
        table.add_row(*map(printable, row))
    show(table)


def _readable_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Characters that a table takes whose numbers are whole, and whose texts are long enough."""
    width = 1
    for number, name in enumerate(columns):
        widest = max(map(len, (name.strip(), *(row[number] for row in rows))))
        width += 3 + (widest if name.startswith(" ") else min(widest, _SHORTEST_TEXT))
    return width


def _lists(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, row in enumerate(rows):
        if number:
            table.add_row()
        for name, value in zip(columns, row, strict=True):
            if value:
                table.add_row(name.strip(), printable(value))
    return table


def show(table: Table) -> None:
    """A table on stdout, never cut on a pipe."""
    console = _console()
    if not console.is_terminal:
        console.width = _WIDEST  # a row stays one line, however long the path of its picture
        console.width = max(_PIPE_WIDTH, min(console.measure(table).maximum, _WIDEST))
    console.print(table)


def say(text: str, *, wrap: bool = True) -> None:
    """A paragraph on stdout, its lines ending between words; with `wrap` false it is one line
    wherever it goes, to be copied whole.
    """
    _console().print(printable(text), soft_wrap=not wrap)


def _console() -> Console:
    from rich.console import Console

    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console
