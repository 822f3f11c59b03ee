"""The folder of a batch job: its plan, and a Parquet shard for each part that is done.

| file | content |
| --- | --- |
| job.json | the bundle's fingerprint, the source's digest, the columns; at the end the counts |
| parts.arrow | the parts of the source, one record batch each |
| part-000000.parquet, … | the answers to a part: whole or not there |

A job that was cut goes on from the shards that are there.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from interpret.batch.columns import Extras
from interpret.batch.parts_file import read_part, write_parts
from interpret.batch.places import is_remote
from interpret.batch.sources import Listing, Part
from interpret.bundle.atomic_files import write_atomically
from interpret.bundle.errors import DpnpError
from interpret.bundle.manifest import Manifest

FORMAT = 1
JOB, PARTS, SHARDS = "job.json", "parts.arrow", "part-*.parquet"
FINGERPRINT = b"dpnp.fingerprint"  # of the model that answered, in a shard's metadata
_UNREADABLE = b"dpnp.unreadable"  # pictures of a shard that could not be read


class Done(NamedTuple):
    """A part that is done: its number, and how many pictures it has."""

    part: int
    pictures: int
    unreadable: int


class Finished(BaseModel):
    """What a whole job answered."""

    model_config = ConfigDict(extra="forbid")

    pictures: int
    unreadable: int


class Plan(BaseModel):
    """What job.json holds."""

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT
    bundle: str  # its fingerprint
    model: str  # its name
    sources: list[str]  # as they were given
    folder: str  # where relative paths start
    digest: str  # of the source
    parts: int
    pictures: int | None  # None: the source does not tell
    embeddings: bool
    thumbnails: bool
    finished: Finished | None = None

    @property
    def extras(self) -> Extras:
        """The columns on request."""
        return Extras(self.embeddings, self.thumbnails)


class Job(NamedTuple):
    """A job's folder and its plan."""

    folder: Path
    plan: Plan

    @classmethod
    def read(cls, folder: Path) -> Job:
        """The job in a folder; raises DpnpError where there is none."""
        file = folder / JOB
        try:
            return cls(folder, Plan.model_validate_json(file.read_bytes()))
        except OSError as error:
            raise DpnpError(f"{file}: {error.strerror}; is {folder} a job's folder?") from error
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise DpnpError(f"{file}: {where}: {problem['msg']}") from error

    @classmethod
    def opened(
        cls,
        folder: Path,
        manifest: Manifest,
        sources: Sequence[str],
        listing: Listing,
        extras: Extras,
    ) -> Job:
        """A new job, or the same one that was cut. Raises DpnpError for another job's folder."""
        plan = Plan(
            bundle=manifest.fingerprint,
            model=manifest.name,
            sources=list(sources),
            folder=str(Path.cwd()),
            digest=listing.digest,
            parts=len(listing.parts),
            pictures=listing.pictures,
            embeddings=extras.embeddings,
            thumbnails=extras.thumbnails,
        )
        if (folder / JOB).exists():
            old = cls.read(folder)
            _check_same(folder, old.plan, plan)
            return old
        if folder.exists() and any(file.name != PARTS for file in folder.iterdir()):
            raise DpnpError(f"{folder} exists and holds no job ({JOB}); give another --out")
        folder.mkdir(parents=True, exist_ok=True)
        write_parts(folder / PARTS, listing.parts)
        job = cls(folder, plan)
        job._write()
        return job

    def part(self, number: int) -> Part:
        """One part of the source."""
        return read_part(self.folder / PARTS, number)

    def done(self, number: int) -> Done | None:
        """What a part's shard says of itself; None for one that is still to be written."""
        try:
            metadata = pq.read_metadata(self.shard(number))
            unreadable = int(metadata.metadata[_UNREADABLE])
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            return None  # damaged since: it is written anew
        return Done(number, metadata.num_rows, unreadable)

    def shard(self, number: int) -> Path:
        """The file of a part's answers."""
        return self.folder / f"part-{number:06}.parquet"

    def write(self, number: int, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Done:
        """Write a part's shard. It appears whole, or not at all; `error` tells what is unreadable.

        Raises OSError.
        """
        path = self.shard(number)
        temporary = path.with_name(f".{path.stem}-{secrets.token_hex(8)}")
        pictures = unreadable = 0
        named = schema.with_metadata({FINGERPRINT: self.plan.bundle})
        try:
            with pq.ParquetWriter(temporary, named, compression="zstd") as writer:
                for batch in batches:
                    writer.write_batch(batch.replace_schema_metadata(named.metadata))
                    pictures += len(batch)
                    unreadable += len(batch) - batch.column("error").null_count
                writer.add_key_value_metadata({_UNREADABLE: str(unreadable)})
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)  # still there only after an error
        return Done(number, pictures, unreadable)

    def begun(self) -> Job:
        """The job, written down as not finished: shards of a finished one may be gone."""
        return self if self.plan.finished is None else self._with(None)

    def finish(self, done: Iterable[Done]) -> Finished:
        """Write down that all parts are done."""
        every = list(done)
        finished = Finished(
            pictures=sum(each.pictures for each in every),
            unreadable=sum(each.unreadable for each in every),
        )
        self._with(finished)
        return finished

    def _with(self, finished: Finished | None) -> Job:
        job = Job(self.folder, self.plan.model_copy(update={"finished": finished}))
        job._write()
        return job

    def _write(self) -> None:
        text = json.dumps(self.plan.model_dump(), indent=2) + "\n"
        write_atomically(self.folder / JOB, text.encode())

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other process on this machine may run this job meanwhile. Raises DpnpError.

        What killed workers left of their shards is removed.
        """
        with (self.folder / PARTS).open("rb") as file:
            if os.name == "posix":
                import fcntl

                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise DpnpError(f"{self.folder}: another process runs this job") from error
                except OSError:  # a file system without locks
                    pass
            self._clean()
            try:
                yield
            finally:
                self._clean()

    def _clean(self) -> None:
        for temporary in self.folder.glob(".part-*"):
            temporary.unlink(missing_ok=True)


def check_finished(folder: Path) -> None:
    """Raise DpnpError for the folder of a job that is not finished; others are not looked at."""
    if not (folder / JOB).exists():
        return
    job = Job.read(folder)
    if job.plan.finished is None:
        written = len(list(folder.glob(SHARDS)))
        raise DpnpError(
            f"{folder}: the job is not finished ({written:,} of {job.plan.parts:,} shards); run "
            "the same dpnp predict again, it goes on from there"
        )


def _check_same(folder: Path, old: Plan, new: Plan) -> None:
    """Raise DpnpError where a job in a folder is another one than is asked for now."""
    if old.format_version != FORMAT:
        problem = f"was written by another release (format {old.format_version})"
    elif old.bundle != new.bundle:
        problem = f"holds answers of another bundle ({old.model}, {old.bundle:.12})"
    elif old.sources != new.sources:
        problem = f"holds answers to another source ({', '.join(old.sources)})"
    elif old.folder != new.folder and any(map(_is_relative, old.sources)):
        problem = f"is of a job that was started in {old.folder}"
    elif old.digest != new.digest:
        counts = (old.pictures, new.pictures)
        told = "" if None in counts or len(set(counts)) == 1 else " ({:,} pictures, now {:,})"
        problem = "holds answers to the source before it changed" + told.format(*counts)
    elif old.extras != new.extras:
        had = [f"--{name}" for name, value in old.extras._asdict().items() if value]
        problem = f"is of a job {'with ' + ' and '.join(had) if had else 'without embeddings'}"
    else:
        return
    raise DpnpError(f"{folder} {problem}; give another --out, or remove it")


def _is_relative(place: str) -> bool:
    return not is_remote(place) and not Path(place).is_absolute()
