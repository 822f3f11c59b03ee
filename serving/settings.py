"""The service's settings: environment variables that begin with DPNP_."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from bentoml.exceptions import BentoMLException
from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from interpret.model.devices import cpu_count
from interpret.model.images import MAX_PIXELS
from interpret.model.predictor import Device
from serving import SOURCES
from serving.packing import packed_bundle


class Settings(BaseSettings):
    """The settings, read once when the service is imported. DPNP_BUNDLE sets `bundle`, etc."""

    model_config = SettingsConfigDict(env_prefix="DPNP_", frozen=True)

    bundle: Path = Field(
        default_factory=lambda: packed_bundle() or Path("models/cifar10-dpnp-9d"),
        description="the bundle's folder, looked up in the working folder, then beside `serving/`",
    )
    api_token: Annotated[SecretStr, Field(min_length=16)] | None = Field(
        None,
        description="the bearer token that clients must send, 16 characters or more; "
        "without one only clients on this machine are answered",
    )
    device: Device = Field("auto", description="where the model runs: `auto`, `cpu` or `cuda`")
    workers: PositiveInt = Field(1, description="worker processes; each loads the bundle")
    threads: PositiveInt | None = Field(
        None, description="CPU threads of one worker; by default its share of the CPUs"
    )
    max_bytes: Annotated[int, Field(ge=1024)] = Field(
        10 * 2**20, description="largest request body in bytes; then a 413"
    )
    max_pixels: PositiveInt = Field(
        MAX_PIXELS, description="largest picture in pixels, told by its header; then a 413"
    )
    max_concurrency: PositiveInt = Field(
        32, description="requests of one kind in a worker, waiting ones included; then a 429"
    )
    max_batch: PositiveInt = Field(
        16, description="most pictures in one inference; they come from requests that wait together"
    )
    upload_seconds: PositiveFloat = Field(
        30, description="seconds that a body may take to arrive; then a 408"
    )
    queue_seconds: PositiveFloat = Field(
        10, description="seconds that a request may wait for a free thread; then a 503"
    )

    feedback: Path | None = Field(
        None,
        description="the SQLite file that POST /feedback collects corrections in, on a local disk; "
        "without one it answers 404",
    )
    feedback_pictures: bool = Field(
        False,
        description="keep the picture with a correction, as the network saw it; without, only its "
        "features and the hash of its pixels",
    )
    feedback_rows: PositiveInt = Field(
        100_000, description="corrections in the file, at most; then a 409"
    )
    feedback_bytes: PositiveInt = Field(2**30, description="bytes of the file, at most; then a 409")
    feedback_recent: PositiveInt = Field(
        1_000, description="latest answers that a correction can name by their request's id"
    )

    @classmethod
    def read(cls) -> Settings:
        """The settings in the environment. Raises BentoMLException, which names wrong variables."""
        try:
            return cls()
        except ValidationError as error:
            raise BentoMLException(
                "; ".join(f"DPNP_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            ) from error

    @property
    def bundle_path(self) -> Path:
        """`bundle` as an absolute path. The working folder comes first, then the sources' own."""
        shipped = SOURCES / self.bundle
        found = shipped if not self.bundle.exists() and shipped.exists() else self.bundle
        return found.absolute()

    @property
    def feedback_path(self) -> Path | None:
        """`feedback` as an absolute path: workers may run in another folder."""
        return None if self.feedback is None else self.feedback.absolute()

    @property
    def process_threads(self) -> int:
        """CPU threads of one worker; by default the workers share the CPUs equally."""
        return self.threads or max(1, cpu_count() // self.workers)
