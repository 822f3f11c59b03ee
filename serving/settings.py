"""The service's settings: environment variables that begin with DPNP_."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from bentoml.exceptions import BentoMLException
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from interpret.model.devices import cpu_count
from interpret.model.images import MAX_PIXELS
from interpret.model.predictor import Device
from serving import SOURCES
from serving.packing import packed_bundle

_DEFAULT_PORTS = {"http": 80, "https": 443}


def _usable_token(token: SecretStr) -> SecretStr:
    """The token without white space around it. A header takes visible ASCII characters alone."""
    text = token.get_secret_value().strip()
    if not text:
        raise ValueError("empty; without a token the variable must not be set")
    if len(text) < 16:
        raise ValueError("a token has 16 characters or more; `openssl rand -hex 24` makes one")
    if not re.fullmatch("[!-~]+", text):
        raise ValueError("a token has letters, digits and ASCII signs alone, no space within")
    return SecretStr(text)


def _words(value: object) -> tuple[str, ...]:
    """A list in one variable: its words, separated by commas or white space."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    assert isinstance(value, tuple)
    return value


def _origins(value: object) -> tuple[str, ...]:
    """Origins as browsers write them: lower case, no default port, no slash at the end."""
    origins = []
    for word in _words(value):
        if word == "*":
            origins.append(word)
            continue
        try:
            parts = urlsplit(word.lower())
            port, host = parts.port, parts.hostname
        except ValueError:
            parts, port, host = None, None, None
        if parts is None or parts.scheme not in _DEFAULT_PORTS or not host or parts.username:
            raise ValueError(f"{word!r} is no origin, as https://lab.example:8443 is")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"{word!r} is more than an origin: it has a path")
        name = f"[{host}]" if ":" in host else host
        tail = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
        origins.append(f"{parts.scheme}://{name}{tail}")
    return tuple(origins)


def _networks(value: object) -> tuple[str, ...]:
    for word in (words := _words(value)):
        try:
            ip_network(word)
        except ValueError as error:
            raise ValueError(f"{word!r} is no address or network: {error}") from None
    return words


class Settings(BaseSettings):
    """The settings, read once when the service is imported. DPNP_BUNDLE sets `bundle`, etc."""

    model_config = SettingsConfigDict(env_prefix="DPNP_", frozen=True)

    bundle: Path = Field(
        default_factory=lambda: packed_bundle() or Path("models/cifar10-dpnp-9d"),
        description="the bundle's folder, looked up in the working folder, then beside `serving/`",
    )
    api_token: Annotated[SecretStr, AfterValidator(_usable_token)] | None = Field(
        None,
        description="the bearer token that clients must send, 16 characters or more; "
        "without one only clients on this machine are answered",
    )
    allow_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = Field(
        (),
        description="origins whose pages may ask, `https://lab.example` for one, separated by "
        "commas; `*` for all",
    )
    rate_limit: PositiveInt | None = Field(
        None,
        description="requests a minute that a worker takes from one client, all at once or spread; "
        "then a 429",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_networks)] = Field(
        (),
        description="addresses or networks of the proxies whose `X-Forwarded-For` is believed, "
        "separated by commas",
    )
    device: Device = Field("auto", description="where the model runs: `auto`, `cpu` or `cuda`")
    workers: PositiveInt = Field(1, description="worker processes; each loads the bundle")
    threads: PositiveInt | None = Field(
        None, description="CPU threads of one worker; by default its share of the CPUs"
    )
    max_bytes: Annotated[int, Field(ge=1024)] = Field(
        10 * 2**20, description="largest request body in bytes; then a 413"
    )
    max_pictures: Annotated[int, Field(ge=2)] = Field(
        100, description="pictures in a request to /predict/batch or /v2; then a 413"
    )
    max_batch_bytes: Annotated[int, Field(ge=1024)] = Field(
        64 * 2**20, description="largest body of such a request in bytes; then a 413"
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
                "; ".join(
                    f"DPNP_{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
                    for e in error.errors()
                )
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
