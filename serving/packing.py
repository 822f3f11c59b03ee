"""Which bundle a bento holds: a label says so when it is built, and is read when it serves."""

from __future__ import annotations

from pathlib import Path

import click
import yaml
from bentoml.exceptions import BentoMLException

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from serving import SOURCES
from serving.telemetry.logs import LOG

_LABEL = "bundle"


def labels(bundle: Path) -> dict[str, str]:
    """The labels of a bento that serves this bundle.

    While `bentoml build` runs, a bundle that would not be packed, or is not whole, raises
    BentoMLException.
    """
    real = bundle.resolve()
    inside = real.is_relative_to(SOURCES / "models")
    if _building():
        if not inside:
            raise BentoMLException(
                f"DPNP_BUNDLE: {bundle} is not below {SOURCES / 'models'}, the folder that "
                f"`bentoml build` packs; `dpnp build {bundle}` packs any bundle"
            )
        try:
            manifest = Bundle.load(real).manifest
        except DpnpError as error:
            raise BentoMLException(str(error)) from error
        LOG.info("the bento will serve %s (%.12s)", manifest.name, manifest.fingerprint)
    return {_LABEL: real.relative_to(SOURCES).as_posix()} if inside else {}


def packed_bundle() -> Path | None:
    """The bundle of the bento that these sources lie in; None in a repository."""
    try:
        with (SOURCES.parent / "bento.yaml").open() as file:
            path = yaml.safe_load(file)["labels"].get(_LABEL)
    except FileNotFoundError:
        return None
    return Path(path) if path else None


def _building() -> bool:
    """Whether BentoML's command line imports the service in order to pack it."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "build"
