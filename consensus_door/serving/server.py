"""The HTTP server: listens, says where, drains when told to."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from consensus_door.config import DoorSettings
from consensus_door.metrics import DoorMetrics
from consensus_door.serving.certificate import Certificate
from consensus_door.serving.connection import bounded
from consensus_rpc.process.port_file import write_port_file
from consensus_rpc.process.settings_types import split_host_port
from consensus_rpc.process.stop_signals import is_impatient, stop_signals
from consensus_rpc.security.material import BadMaterial
from consensus_rpc.server.admission import Admission
from consensus_rpc.server.listener import CannotListenError
from consensus_rpc.telemetry.log import get_logger

_log = get_logger()

_BACKLOG = 1024
_IDLE_SECONDS = 30


class DoorServer(uvicorn.Server):
    """uvicorn's server, which leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: `serve` has its own."""
        yield


async def serve(
    app: ASGIApp, settings: DoorSettings, admission: Admission, metrics: DoorMetrics, port_file: Path | None
) -> None:
    """Serves until SIGTERM, SIGINT or SIGHUP, then drains; a second one ends the process at once.

    Whoever is admitted may finish within the grace; streams end at once by themselves, since each can be gone
    on with elsewhere.

    Raises:
        CannotListenError: the address is taken, or the certificate cannot be used.
    """
    certificate = _certificate(settings)
    listener = _listen(settings.door_listen)
    server = DoorServer(_config(app, settings, certificate, metrics))
    loop = asyncio.get_running_loop()
    stopping = False

    def stop(number: int) -> None:
        nonlocal stopping
        if stopping and is_impatient(number):
            _log.warning("stopped_at_once", signal=signal.Signals(number).name)
            sys.stderr.flush()
            os._exit(128 + number)
        if not stopping:
            stopping = True
            _log.info("draining", calls_in_flight=admission.in_flight)
            admission.drain()
            server.should_exit = True

    for number in stop_signals():
        loop.add_signal_handler(number, stop, number)
    address = _address(listener, settings.door_listen)
    _log.info("listening", address=address, encrypted=certificate is not None)
    if certificate is None:
        _log.warning("plain_text", addresses=[address], meaning="anybody on the way can read and change it")
    if port_file is not None:
        write_port_file(port_file, [address])
    await server.serve([listener])
    _log.info("stopped")


def _certificate(settings: DoorSettings) -> Certificate | None:
    """What is shown to callers; None for plain text.

    Raises:
        CannotListenError: it cannot be used.
    """
    tls = settings.listen_tls()
    try:
        return None if tls is None else Certificate(tls)
    except BadMaterial as error:
        raise CannotListenError(f"cannot listen on {settings.door_listen}: {error}") from error


def _config(
    app: ASGIApp, settings: DoorSettings, certificate: Certificate | None, metrics: DoorMetrics
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded(
            metrics,
            request_seconds=settings.door_request_seconds,
            slow_seconds=settings.slow_consumer_seconds,
            max_connections=settings.door_max_connections,
        ),
        ws="none",
        lifespan="off",
        loop="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=round(settings.drain_grace_seconds),
        h11_max_incomplete_event_size=settings.door_max_header_bytes,
        ssl_context_factory=None if certificate is None else lambda _config, _default: certificate.context,
    )


def _listen(listen: str) -> socket.socket:
    """A socket that listens already, so that nobody is turned away once the port file is there."""
    host, port = split_host_port(listen)
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
    except OSError as error:
        raise CannotListenError(f"cannot listen on {listen}: is it in use?") from error


def _address(listener: socket.socket, listen: str) -> str:
    return f"{listen.rpartition(':')[0]}:{listener.getsockname()[1]}"
