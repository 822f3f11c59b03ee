"""A command whose options are a configuration's fields."""

from typing import Annotated, Any, Literal

from typer import Option, Typer
from typer.testing import CliRunner

from training.commands.signature import with_options
from training.config.option import Configuration, option


class Oven(Configuration):
    """Every kind of field."""

    heat: float = option(..., "degrees", panel="Options", gt=0, le=300)
    minutes: int | None = option(None, "how long", panel="Run", ge=1)
    mode: Literal["fan", "grill"] = option("fan", "where the heat comes from", panel="Options")
    light: bool = option(False, "let the light shine", panel="Options")
    trays: tuple[str, ...] = option((), "what stands in it", panel="Pictures")
    serial: str | None = None  # not for the command line


def baked(*words: str) -> tuple[dict[str, Any] | None, str]:
    """What the command receives, and what it prints."""
    received = []
    app = Typer()

    @app.command()
    @with_options(Oven)
    def bake(door: Annotated[str, Option(help="open or shut")] = "shut", **settings: Any) -> None:
        """Bake."""
        received.append({"door": door} | settings)

    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "100"})
    return (received or [None])[0], result.output


def test_only_what_was_given_arrives():
    assert baked("--heat", "200")[0] == {"door": "shut", "heat": 200.0}
    given, _ = baked(
        *("--heat", "1", "--minutes", "3", "--mode", "grill", "--light"),
        *("--trays", "a", "--trays", "b", "--door", "open"),
    )
    assert given == {
        "door": "open",
        "heat": 1.0,
        "minutes": 3,
        "mode": "grill",
        "light": True,
        "trays": ["a", "b"],
    }


def test_a_default_that_is_given_arrives_too():
    assert baked("--heat", "1", "--mode", "fan")[0] == {"door": "shut", "heat": 1.0, "mode": "fan"}


def test_a_required_field_is_a_required_option():
    received, printed = baked("--light")
    assert received is None
    assert "Missing option '--heat'" in printed


def test_help_has_text_bounds_choices_and_default():
    _, text = baked("--help")
    lines = {words[0]: " ".join(words) for line in text.splitlines() if (words := named(line))}
    assert "degrees (above 0, at most 300) [required]" in lines["--heat"]
    assert "how long (at least 1)" in lines["--minutes"]
    assert "fan|grill where the heat comes from [default: fan]" in lines["--mode"]
    assert "--serial" not in text
    order = [text.index(f"{name} ") for name in ("--heat", "--mode", "--door", "─ Pictures", "Run")]
    assert order == sorted(order)


def named(line: str) -> list[str]:
    """The words of a line of help that begins with an option."""
    words = line.strip("│ *").split()
    return words if words and words[0].startswith("--") else []
