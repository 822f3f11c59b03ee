"""The policies of pages: where they stand, and that none lets another host in."""

from pathlib import Path

import pytest

from interpret.figures import content_policy

ROOT = Path(__file__).parents[3]
POLICIES = {name: value for name, value in vars(content_policy).items() if name.isupper()}


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_names_another_host(name: str):
    directives = dict(part.split(" ", 1) for part in POLICIES[name].split("; "))
    assert directives.pop("default-src") == "'none'"
    sources = {source for value in directives.values() for source in value.split()}
    keywords = {"'none'", "'self'", "'unsafe-inline'", "'unsafe-eval'"}
    assert sources <= keywords | {"blob:", "data:"}


def test_the_explorer_runs_its_own_files_only():
    assert "unsafe" not in content_policy.EXPLORER
    assert "script-src 'self'" in content_policy.EXPLORER


def test_policies_have_one_home():
    files = [
        file for name in ("interpret", "serving", "training") for file in (ROOT / name).rglob("*.*")
    ]
    holders = {
        file.name
        for file in files
        if file.suffix in {".py", ".html", ".js"} and "default-src" in file.read_text()
    }
    assert holders == {"content_policy.py"}
