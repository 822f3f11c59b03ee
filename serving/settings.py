"""What the service can be told from outside: environment variables that begin with DPNP_."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from bentoml.exceptions import BentoMLException
from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from interpret.model.devices import cpu_count
from interpret.model.images import MAX_PIXELS
from interpret.model.predictor import Device

_HOME = Path(__file__).resolve().parent.parent  # the repository, or a built bento's sources


class Settings(BaseSettings):
    """Read once, when the service is imported: DPNP_BUNDLE sets `bundle`, and so on."""

    model_config = SettingsConfigDict(env_prefix="DPNP_", frozen=True)

    bundle: Path = Field(
        Path("models/cifar10-dpnp-9d"),
        description="a bundle's folder; looked up in the working folder, then beside serving/",
    )
    api_token: Annotated[SecretStr, Field(min_length=16)] | None = Field(
        None, description="the bearer token to ask for; without one only loopback is answered"
    )
    device: Device = Field("auto", description="auto, cpu or cuda")
    workers: PositiveInt = Field(1, description="processes; each loads the bundle")
    threads: PositiveInt | None = Field(
        None, description="CPU threads of one process (default: this process's share of the CPUs)"
    )
    max_bytes: Annotated[int, Field(ge=1024)] = Field(
        10 * 2**20, description="largest request body"
    )
    max_pixels: PositiveInt = Field(MAX_PIXELS, description="largest picture, width × height")
    max_concurrency: PositiveInt = Field(
        32, description="requests of one kind in a process, waiting ones too; more get a 429"
    )
    max_batch: PositiveInt = Field(
        16, description="pictures in one inference, of requests that wait at the same moment"
    )
    upload_seconds: PositiveFloat = Field(30, description="for a body to arrive; then a 408")
    queue_seconds: PositiveFloat = Field(
        10, description="for a request to wait for a free thread; then a 503"
    )

    @classmethod
    def read(cls) -> Settings:
        """The settings in the environment; BentoMLException names a variable that is wrong."""
        try:
            return cls()
        except ValidationError as error:
            raise BentoMLException(
                "; ".join(f"DPNP_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
            ) from error

    @property
    def bundle_path(self) -> Path:
        """`bundle` as an absolute path; one that exists nowhere is in the working folder."""
        shipped = _HOME / self.bundle
        found = shipped if not self.bundle.exists() and shipped.exists() else self.bundle
        return found.absolute()

    @property
    def process_threads(self) -> int:
        """CPU threads of one process: by default the CPUs it may use, shared by the workers."""
        return self.threads or max(1, cpu_count() // self.workers)
