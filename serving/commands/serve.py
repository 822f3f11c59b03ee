"""`dpnp serve`: a bundle over the network, from any folder. BentoML runs underneath."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Never

import typer

from interpret.bundle.errors import DpnpError
from interpret.commands.console import BundleFolder
from serving import SOURCES

SERVICE = "serving.service:service"
# -P: files of the folder it is started in must not stand in for modules.
BENTOML = (sys.executable, "-P", "-m", "bentoml")


def serve(
    bundle: BundleFolder,
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- OPTIONS", help="more options, for `bentoml serve`"),
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, envvar="BENTOML_PORT", help="the port to listen on")
    ] = 3000,
    host: Annotated[
        str,
        typer.Option(
            envvar="BENTOML_HOST",
            help="the address to listen on; 0.0.0.0 opens the service to other machines, "
            "which then need the token in DPNP_API_TOKEN",
        ),
    ] = "127.0.0.1",
    workers: Annotated[
        int | None,
        typer.Option(min=1, envvar="DPNP_WORKERS", help="worker processes; each loads the bundle"),
    ] = None,
) -> None:
    """Serve a bundle: the explorer, and the REST API.

    The other settings are environment variables, DPNP_API_TOKEN and more: see docs/serving.md.

    Example: dpnp serve models/digits-dpnp --port 8080
    """
    from interpret.bundle.bundle import Bundle
    from interpret.bundle.missing_parts import check_parts
    from serving.telemetry.logs import announce

    check_parts("onnxruntime", "faiss")
    address = _address(host)
    name = Bundle.load(bundle).manifest.name
    os.environ["DPNP_BUNDLE"] = str(bundle.absolute())
    if workers is not None:
        os.environ["DPNP_WORKERS"] = str(workers)
    _check_settings()
    _check_port(address, port)
    given = [*_absolute_files(options or [])]
    scheme = "https" if "--ssl-certfile" in given else "http"
    announce(f"{scheme}://{_reachable(address)}:{port}/ui/ is the explorer of {name}")
    command = [*BENTOML, "serve", SERVICE, "--working-dir", str(SOURCES)]
    _become([*command, "--host", address, "--port", str(port), *given])


def _address(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(host))
    except ValueError:
        raise DpnpError(
            f"--host {host}: not an IP address; take 127.0.0.1 for this machine alone, "
            "or 0.0.0.0 for all of its networks"
        ) from None


def _reachable(address: str) -> str:
    """Where this machine's browser finds a service that listens at `address`."""
    ip = ip_address(address)
    if ip.is_unspecified:
        return "127.0.0.1" if ip.version == 4 else "[::1]"
    return address if ip.version == 4 else f"[{address}]"


def _check_settings() -> None:
    from bentoml.exceptions import BentoMLException

    from serving.settings import Settings

    try:
        Settings.read()
    except BentoMLException as error:
        raise DpnpError(str(error)) from error


def _check_port(address: str, port: int) -> None:
    """Raise DpnpError where BentoML would end with a traceback."""
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    with socket.socket(family) as probe:
        if os.name != "nt":  # there it would let two servers share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise DpnpError(
                f"cannot listen at {address}, port {port}: {error.strerror}; "
                "--port and --host choose another"
            ) from error


def _absolute_files(options: list[str]) -> list[str]:
    """The options, with certificates and keys by absolute paths: workers start elsewhere."""
    words = list(options)
    for i, (option, word) in enumerate(pairwise(options)):
        if option.startswith("--ssl-") and Path(word).is_file():
            words[i + 1] = str(Path(word).absolute())
    return words


def _become(command: list[str]) -> Never:
    """End as another program: signals and the exit code are then its own."""
    sys.stdout.flush()
    if os.name == "nt":  # there exec returns to the shell at once
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)
