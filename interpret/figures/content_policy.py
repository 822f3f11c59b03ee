"""The content security policies of HTML, one for each kind of page."""

from __future__ import annotations

# The explorer, whose files the service sends: nothing from elsewhere and nothing inline, so not
# even a hostile class name could run as a script.
EXPLORER = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
