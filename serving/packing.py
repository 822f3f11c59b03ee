"""Which bundle a bento holds: a label says so when it is built, and is read when it serves."""

from __future__ import annotations

import platform
from pathlib import Path

import bentoml
import click
import yaml
from bentoml.exceptions import BentoMLException

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from serving import SOURCES
from serving.telemetry.logs import LOG

_LABEL = "bundle"
_FOLDER = "models"  # what the bentofiles include


def labels(bundle: Path) -> dict[str, str]:
    """The labels of a bento that serves this bundle.

    While `bentoml build` runs, a bundle that would not be packed, or is not whole, raises
    BentoMLException.
    """
    real = bundle.resolve()
    inside = real.is_relative_to(SOURCES / _FOLDER)
    if _building():
        if not inside:
            raise BentoMLException(
                f"DPNP_BUNDLE: {bundle} is not below {SOURCES / _FOLDER}, where `bentoml build` "
                f"finds bundles; `dpnp build {bundle}` packs any bundle"
            )
        try:
            manifest = Bundle.load(real).manifest
        except DpnpError as error:
            raise BentoMLException(str(error)) from error
        _leave_out_others(real.relative_to(SOURCES))
        LOG.info(
            "the bento will hold and serve %s (%.12s), and no other bundle",
            manifest.name,
            manifest.fingerprint,
        )
    return {_LABEL: real.relative_to(SOURCES).as_posix()} if inside else {}


def image() -> bentoml.images.Image:
    """What an image of the bento is made of: the Python of who builds it, and wheels alone. For
    Debian, BentoML would add compilers and git.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    return bentoml.images.Image(base_image=f"python:{python}-slim", distro="none")


def packed_bundle() -> Path | None:
    """The bundle of the bento that these sources lie in; None in a repository."""
    try:
        with (SOURCES.parent / "bento.yaml").open() as file:
            path = yaml.safe_load(file)["labels"].get(_LABEL)
    except FileNotFoundError:
        return None
    return Path(path) if path else None


def _leave_out_others(bundle: Path) -> None:
    """Have `bentoml build`, which is under way, pack one bundle of the folder alone.

    A bentofile says for good what is packed. So what BentoML asks about each file is asked here
    too: others could hold training pictures that the bento's users may not see.
    """
    try:
        from bentoml._internal.bento.build_config import BentoPathSpec

        packs = BentoPathSpec.includes
    except (ImportError, AttributeError) as error:
        raise BentoMLException(
            f"this version of BentoML would pack every bundle of {_FOLDER}/; "
            f"`dpnp build {bundle}` packs one"
        ) from error

    def includes(self: BentoPathSpec, path: str) -> bool:
        file = Path(path)
        other = file.is_relative_to(_FOLDER) and not file.is_relative_to(bundle)
        return not other and packs(self, path)

    BentoPathSpec.includes = includes  # type: ignore[method-assign]


def _building() -> bool:
    """Whether BentoML's command line imports the service in order to pack it."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "build"
