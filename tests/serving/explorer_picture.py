"""The picture of the explorer in docs/serving.md: the default bundle's answer about docs/cat.jpg.

python -m tests.serving.explorer_picture docs/explorer.png
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from tests.serving.browser import browse
from tests.serving.servers import ROOT, serve


def main(out: Annotated[Path, typer.Argument(help="the .png to write")]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder) / "log") as server,
        browse(f"{server.url}/ui/", 1400, 1555) as page,
    ):
        page.wait("$('#classes').children.length === 10 && $('#sphere').dataset.points")
        page.find("#file").send_keys(str(ROOT / "docs" / "cat.jpg"))
        page.wait("$('#label').textContent && !$('body').classList.contains('busy')")
        page.wait("[...document.querySelectorAll('#examples img')].every(e => e.naturalWidth > 0)")
        shot = Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")
    small = shot.resize((1000, 1000 * shot.height // shot.width), Image.Resampling.LANCZOS)
    # Few colours, a third of the bytes; k-means keeps the colours of the small dots.
    small.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=20).save(out, optimize=True)


if __name__ == "__main__":
    typer.run(main)
