"""Whether a gallery's mode and its URL go together; quick to import, for the command line."""

from __future__ import annotations

from urllib.parse import urlsplit

from interpret.bundle.errors import DpnpError
from interpret.bundle.manifest import GalleryMode


def check_mode(mode: GalleryMode, url: str | None) -> None:
    """Raise DpnpError for a mode and a URL that do not go together."""
    if (mode == "remote") != (url is not None):
        raise DpnpError("--gallery-url: belongs to --gallery-mode remote, which needs it")
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or "?" in url):
        raise DpnpError(f"--gallery-url {url}: not a prefix that begins with http:// or https://")
