"""The pages of docs/ and the README: links lead somewhere, names are those of the tree."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer

from training.commands.app import build_app

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
FOREIGN_OPTIONS = {"--host", "--ssl-certfile"}  # of BentoML
COMMANDS = typer.main.get_command(build_app()).commands  # type: ignore[attr-defined]


def text(page: str) -> str:
    return (ROOT / page).read_text()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(page: str) -> list[str]:
    """The code of a page: each line of its blocks, and each span."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text(page), re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text(page), flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`]+)`", prose)
    return [line for block in blocks for line in block.splitlines()] + [
        span.replace("\n", " ") for span in spans
    ]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str):
    for target in re.findall(r"\]\(([^)]+)\)", text(page)):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page: str):
    for line in code(page):
        for command in re.findall(r"\bdpnp ([^|;#…]*)", line):
            name, *words = shlex.split(command.partition(" -- ")[0], comments=True) or [""]
            if not re.fullmatch(r"[a-z-]+", name) or name.startswith("-"):
                continue
            options = {option for each in COMMANDS[name].params for option in each.opts}
            given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert given <= options | {"--help"}, line


@pytest.mark.parametrize("page", PAGES)
def test_options_in_prose_are_options_of_some_command(page: str):
    own = {name for command in COMMANDS.values() for each in command.params for name in each.opts}
    for line in code(page):
        if line.startswith("--"):
            assert line.split()[0] in own | FOREIGN_OPTIONS, line


@pytest.mark.parametrize("page", PAGES)
def test_modules_and_paths_exist(page: str):
    for line in code(page):
        for name in re.findall(r"\b(?:from|python -m) ((?:interpret|training|tests)[\w.]*)", line):
            assert importlib.util.find_spec(name), line
        for path in re.findall(r"(?<![\w/])(?:interpret|training|serving|tests)/[\w/.]*", line):
            assert (ROOT / path).exists(), line


def test_every_term_of_the_glossary_stands_there_once_with_a_sentence():
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", text("docs/glossary.md"), re.MULTILINE)
    rows = [row for row in rows if row[0] not in ("term", "---")]
    terms = [term for term, _ in rows]
    assert len(terms) == len(set(terms)) > 60
    assert all(meaning.endswith(".") for _, meaning in rows)


def test_the_figures_of_the_readme_stand_on_the_page_of_figures():
    table = text("README.md").partition("\n## Figures")[2].partition("\n## ")[0]
    numbers = re.findall(r"\d[\d.,]*\d|\d", table)
    assert len(numbers) > 20
    assert set(numbers) <= set(re.findall(r"\d[\d.,]*\d|\d", text("docs/figures.md")))
