"""A folder of pictures that were decoded and fitted once, for later epochs and later runs.

A picture's name is a digest of its content, the size, the fit and the decoder, so that nothing
else can be found under it. Each is written beside its place and renamed; a checksum tells one that
a crash left in pieces. Any number of processes share the folder without locks.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
import zlib
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from interpret.bundle.manifest import Fit
from interpret.model.picture_files import as_text
from training.config.errors import ConfigError

_LOG = logging.getLogger(__name__)
FOLDERS = 256  # that pictures are spread over; each has an equal share of the limit
_CHECKSUM = 4  # bytes
_STALE = 3600.0  # seconds, after which a file that was never renamed is of a killed process


class FittedCache:
    """Fitted pictures in a folder, of at most `limit` bytes.

    Where a picture has no room, those go that were used longest ago, but none that this run used:
    epochs go round, and what is needed last would push out what is needed next.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """Makes the folder; raises ConfigError when it cannot be written to."""
        self.folder, self.share = folder, limit // FOLDERS
        self._full = False
        try:
            for i in range(FOLDERS):
                (folder / f"{i:02x}").mkdir(parents=True, exist_ok=True)
            probe = folder / f".{secrets.token_hex(8)}"
            probe.touch()
            # By the clock of the files: it may lag some milliseconds behind time.time().
            self._started = probe.stat().st_mtime
            probe.unlink()
        except OSError as error:
            raise ConfigError(f"--cache {as_text(folder)}: {error.strerror or error}") from error

    @staticmethod
    def name(content: bytes, size: int, fit: Fit, reduced: bool) -> str:
        """The name of a picture with this content (see Split), fitted in this way."""
        how = f"{size} {fit} {reduced} {PIL.__version__}".encode()
        return f"{hashlib.blake2b(content, digest_size=16, key=how).hexdigest()}-{size}"

    def get(self, name: str) -> NDArray[np.uint8] | None:
        """The pixels (S, S, 3) under a name; None for none."""
        file, size = self._place(name), _side(name)
        try:
            data = file.read_bytes()
            used = file.stat().st_mtime
            if used < self._started:
                file.touch()
        except OSError:
            return None
        pixels, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
        if len(pixels) != 3 * size**2 or zlib.crc32(pixels).to_bytes(_CHECKSUM) != checksum:
            file.unlink(missing_ok=True)
            return None
        return np.frombuffer(pixels, np.uint8).reshape(size, size, 3)

    def put(self, name: str, pixels: NDArray[np.uint8]) -> None:
        """Keep the pixels (S, S, 3) under a name, if there is room."""
        place, data = self._place(name), pixels.tobytes()
        temporary = place.with_name(f".{secrets.token_hex(8)}-{_side(name)}")
        try:
            if self._full or not self._make_room(place.parent, len(data) + _CHECKSUM):
                return
            temporary.write_bytes(data + zlib.crc32(data).to_bytes(_CHECKSUM))
            temporary.replace(place)
        except OSError as error:  # a full disk, most likely: training goes on without
            self._full = True
            temporary.unlink(missing_ok=True)
            _LOG.warning("--cache %s: %s", as_text(self.folder), error.strerror or error)

    def _make_room(self, folder: Path, needed: int) -> bool:
        files = list(folder.iterdir())
        over = sum(map(_bytes, files)) + needed - self.share
        if over <= 0:
            return True
        old = []
        for file in files:
            used = _used(file)
            if used < (time.time() - _STALE if file.name.startswith(".") else self._started):
                old.append((used, file))
        for _, file in sorted(old):
            file.unlink(missing_ok=True)
            over -= _bytes(file)
            if over <= 0:
                return True
        return False

    def _place(self, name: str) -> Path:
        return self.folder / name[:2] / name


def _side(name: str) -> int:
    return int(name.rpartition("-")[2])


def _bytes(file: Path) -> int:
    """The size of a picture's file, which its name tells; of a foreign one, nothing."""
    side = file.name.rpartition("-")[2]
    return 3 * int(side) ** 2 + _CHECKSUM if side.isdecimal() else 0


def _used(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # another process took it away
        return time.time()
