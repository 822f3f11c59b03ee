"""The content security policies of HTML, one for each kind of page."""

from __future__ import annotations

# A file that holds all it shows, scripts too: no address is ever asked for anything. plotly.js
# compiles its shaders' code with `eval` and draws through blobs.
SELF_CONTAINED = (
    "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; worker-src blob:"
)

# An answer that is no page: nothing may be loaded or framed, should a browser take it for one.
NOTHING = "default-src 'none'; frame-ancestors 'none'"

# The explorer, whose files the service sends: nothing from elsewhere and nothing inline, so not
# even a hostile class name could run as a script.
EXPLORER = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
