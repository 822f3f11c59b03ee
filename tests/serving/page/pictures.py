"""Pictures for the toy model: the embedding is the mean colour, the prototypes are pure colours."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.serving.browser import Browser
from tests.serving.servers import BLACK, GREEN, RED, encode, plain

OLIVE = (127, 127, 0)  # as near to red as to green


def write_folder(folder: Path) -> Path:
    """Pictures in folders named as classes, one that is broken, and a file that is no picture."""
    contents = {
        "red/1.png": plain(RED),
        "red/2.png": plain((200, 40, 40)),
        "red/10.png": plain(GREEN),  # a mistake
        "Green/olive.png": plain(OLIVE),
        "Green/black.png": plain(BLACK),
        "Green/broken.png": b"no picture",
        "others/green.png": plain(GREEN),
        "notes.txt": b"no picture either",
        ".hidden.png": plain(RED),
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def photograph(path: Path, width: int, height: int) -> Path:
    """A JPEG with much to see, for its bytes."""
    small = np.random.default_rng(5).integers(0, 255, (height // 40, width // 40, 3), np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    path.write_bytes(encode(picture, "JPEG", quality=97))
    return path


def ready(page: Browser) -> None:
    """Until the bundle is on the page."""
    page.wait("$('#model').textContent && $('#classes').children.length === 3")


def ask(page: Browser, picture: Path) -> None:
    """Ask about one picture, until its answer is there."""
    page.run("$('#label').textContent = ''")
    page.find("#file").send_keys(str(picture))
    answered(page)


def answered(page: Browser) -> None:
    """Until an answer to the last question is on the page."""
    page.wait("$('#label').textContent && !$('body').classList.contains('busy')")


def all_asked(page: Browser, count: int) -> None:
    """Until every one of many pictures is answered or failed."""
    page.wait(f"$('#tally').textContent.startsWith('{count} of {count} ') && $('#done').hidden")
