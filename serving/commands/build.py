"""`dpnp build`: a bento of the service and one bundle, from any folder. BentoML runs underneath."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from interpret.commands.console import BundleFolder, printable, say
from serving import SOURCES
from serving.commands.serve import BENTOML


def build(
    bundle: BundleFolder,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- OPTIONS", help="more options, for `bentoml build`"),
    ] = None,
    cpu: Annotated[
        bool, typer.Option("--cpu", help="a slim bento for machines without an NVIDIA GPU")
    ] = False,
) -> None:
    """Pack the service with a bundle into a bento, which serves this bundle and holds no other.

    `bentoml containerize` makes an image of the bento.

    Example: dpnp build models/digits-dpnp --cpu
    """
    from interpret.bundle.bundle import Bundle

    model = Bundle.load(bundle).manifest
    folder = Path("models", bundle.resolve().name)
    with tempfile.TemporaryDirectory(prefix="dpnp-build-") as made:
        project = Path(made)
        for package in ("serving", "interpret"):
            shutil.copytree(
                SOURCES / package, project / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        (project / folder).mkdir(parents=True)
        for name in ("manifest.json", *model.files):
            shutil.copy(bundle / name, project / folder)
        kind = "cpu" if cpu else "gpu"
        shutil.copy(SOURCES / "serving" / f"bentofile.{kind}.yaml", project / "bentofile.yaml")
        card = bundle / "README.md"
        text = card.read_text() if card.exists() else f"# {model.name}\n"
        (project / "README.md").write_text(text)
        say(f"packing {printable(bundle)}: {model.name} ({model.fingerprint:.12})", wrap=False)
        sys.stdout.flush()
        done = subprocess.run(
            [*BENTOML, "build", *(options or [])],
            cwd=project,
            env=os.environ | {"DPNP_BUNDLE": folder.as_posix()},
        )
    if done.returncode:
        sys.exit(done.returncode)
