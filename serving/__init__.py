"""The BentoML service over a DPNP bundle."""

from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent  # the repository, or a built bento's sources
