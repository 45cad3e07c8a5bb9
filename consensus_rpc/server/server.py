"""A gRPC server process: starts, says where it listens and whether it serves, drains when told to."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from consensus_rpc.process.memory import return_large_buffers
from consensus_rpc.process.port_file import write_port_file
from consensus_rpc.process.settings_types import split_host_port
from consensus_rpc.process.stop_signals import is_impatient, stop_signals
from consensus_rpc.server.admission import Admission
from consensus_rpc.server.health import Health
from consensus_rpc.server.interceptor import RpcInterceptor
from consensus_rpc.server.lag import EventLoopLag
from consensus_rpc.server.options import ServerOptions, parse_server_args
from consensus_rpc.server.unread import UnreadAnswers
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger
from consensus_rpc.telemetry.metrics import MetricsPage, RpcMetrics, default_metrics, serve_metrics

__all__ = ["CannotListenError", "Server", "ServerOptions", "parse_server_args", "run"]

_log = get_logger()

Hook = Callable[[], Awaitable[None]]

# Rare collections: a server's objects live for a call or for good (measured: twice the throughput).
_GC_THRESHOLDS = (50_000, 20, 20)
_GOODBYE_SECONDS = 0.2
_UNWIND_SECONDS = 5.0
_STOP_SECONDS = 10.0


class CannotListenError(RuntimeError):
    """The address cannot be bound."""


class Server:
    """One listening gRPC server with its health, reflection, metrics page and drain.

    Add servicers to `grpc` before `start`; then `serve` until a signal or `request_stop`.
    """

    def __init__(
        self, options: ServerOptions, *, service_names: Iterable[str], metrics: RpcMetrics | None = None
    ) -> None:
        """Builds it; nothing listens yet. A service's name is a full one: `consensus.v1.ReviewService`."""
        self._options = options
        self._service_names = tuple(service_names)
        self._admission = Admission(options.max_calls_in_flight)
        self._health = Health(self._service_names)
        self._stop_requested = asyncio.Event()
        self._metrics_page: MetricsPage | None = None
        self._is_announced = False
        self._is_signalled = False
        self.address = ""
        self.metrics_address = ""
        metrics = metrics or default_metrics()
        self._lag = EventLoopLag(metrics.counts)
        unread = UnreadAnswers(
            metrics.counts,
            slow_seconds=options.slow_consumer_seconds,
            max_bytes=options.max_unread_bytes,
        )
        interceptor = RpcInterceptor(
            self._admission,
            metrics,
            unread,
            max_message_bytes=options.max_message_bytes,
            first_request_seconds=options.first_request_seconds,
            character_limits=options.character_limits,
        )
        # No limit of gRPC's own: it would refuse without details, and health checks too.
        self.grpc = grpc.aio.server(interceptors=[interceptor], options=options.channel_arguments())

    @property
    def draining(self) -> asyncio.Event:
        """Set once the server refuses new calls: endless streams end themselves with ShuttingDown."""
        return self._admission.draining

    @property
    def calls_in_flight(self) -> int:
        """Calls that were admitted and have not ended; health and reflection do not count."""
        return self._admission.in_flight

    async def start(self) -> None:
        """Binds and listens; then `address` says where, the log too, and the port file if asked for.

        Raises:
            CannotListenError: when the address, or that of the metrics, cannot be bound.
        """
        await self._health.attach(self.grpc)
        if self._options.reflection:
            names = (*self._service_names, "grpc.health.v1.Health", reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self.grpc)
        host, _ = split_host_port(self._options.listen)
        try:
            port = self.grpc.add_insecure_port(self._options.listen)
        except RuntimeError as error:
            raise CannotListenError(f"cannot listen on {self._options.listen}: is it in use?") from error
        await self.grpc.start()
        self._lag.start()
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._start_metrics()
        _log.info("listening", address=self.address, metrics_address=self.metrics_address)
        if self._options.port_file is not None:
            write_port_file(self._options.port_file, self.address)

    async def set_serving(self, name: str, serving: bool) -> None:
        """Says whether a service can do its work: what health checks of its name are answered with."""
        await self._health.set_serving(name, serving)

    def announce(self) -> None:
        """Tells the supervisor, where there is one, that this worker has started; once."""
        if self._options.place is not None and not self._is_announced:
            self._is_announced = True
            self._options.place.announce()

    def request_stop(self) -> None:
        """Begins the drain, as SIGTERM does."""
        self._stop_requested.set()

    async def serve(self, *, on_drain: Hook | None = None, on_stop: Hook | None = None) -> None:
        """Serves until SIGTERM, SIGINT, SIGHUP or `request_stop`, then drains; a second ends it at once.

        `on_drain` runs when new calls are refused already, while those in flight go on; `on_stop` when none
        is left, whatever became of the drain.
        """
        loop = asyncio.get_running_loop()
        signals = stop_signals()
        for number in signals:
            loop.add_signal_handler(number, self._on_signal, number)
        if self._options.place is not None:
            loop.add_reader(self._options.place.lifeline, self._on_supervisor_gone)
        if self._options.tune_gc:
            tune_garbage_collection()
        try:
            await self._stop_requested.wait()
            await self._drain(on_drain)
        finally:
            try:
                await self._close(on_stop)
            finally:
                for number in signals:
                    loop.remove_signal_handler(number)

    async def _drain(self, on_drain: Hook | None) -> None:
        grace = self._options.drain_grace_seconds
        _log.info("draining", calls_in_flight=self.calls_in_flight, grace_seconds=grace)
        self._admission.drain()
        await self._health.go_down()
        ends = asyncio.get_running_loop().time() + grace
        if on_drain is not None:
            await _bounded(on_drain, grace)
        # The listener stays open meanwhile: whoever calls is told SHUTTING_DOWN and when to try again.
        drained = await self._admission.wait_idle(max(0.0, ends - asyncio.get_running_loop().time()))
        _log.info("drained", complete=drained, calls_in_flight=self.calls_in_flight)

    async def _close(self, on_stop: Hook | None) -> None:
        self._lag.stop()
        await self.grpc.stop(_GOODBYE_SECONDS)  # what is left now is cut off
        await self._admission.wait_idle(_UNWIND_SECONDS)  # its handlers still have `finally` blocks to run
        if self._metrics_page is not None:
            await asyncio.to_thread(self._metrics_page.close)
        if on_stop is not None:
            await _bounded(on_stop, _STOP_SECONDS)
        _log.info("stopped")

    def _start_metrics(self) -> None:
        if self._options.metrics_listen is None:
            return
        try:
            self._metrics_page = serve_metrics(*split_host_port(self._options.metrics_listen))
        except OSError as error:
            reason = f"cannot serve metrics on {self._options.metrics_listen}: is it in use?"
            raise CannotListenError(reason) from error
        self.metrics_address = self._metrics_page.address

    def _on_supervisor_gone(self) -> None:
        """The pipe has ended: the supervisor wants a drain, or is no more."""
        assert self._options.place is not None
        asyncio.get_running_loop().remove_reader(self._options.place.lifeline)
        self._stop_requested.set()

    def _on_signal(self, number: int) -> None:
        if self._is_signalled:
            if not is_impatient(number):
                return
            _log.warning("stopped_at_once", signal=signal.Signals(number).name)
            sys.stderr.flush()
            os._exit(128 + number)
        self._is_signalled = True
        self._stop_requested.set()


async def _bounded(hook: Hook, seconds: float) -> None:
    """Runs a hook, at most that long; what it raises must not keep the server from stopping."""
    try:
        async with asyncio.timeout(seconds):
            await hook()
    except TimeoutError:
        _log.warning("hook_timed_out", seconds=seconds)
    except Exception as error:  # noqa: BLE001 - stopping goes on whatever the hook's fault is
        _log.error("hook_failed", trace=fault_trace(error))


def tune_garbage_collection() -> None:
    """Sets the garbage collector for a server: what lives now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs a process's main coroutine, on uvloop where it is installed; large buffers are given back.

    Raises:
        SystemExit: 1, after a line in the log, when the server cannot listen.
    """
    return_large_buffers()
    try:
        _run(main)
    except CannotListenError as refusal:
        _log.critical("start_refused", reason=str(refusal))
        raise SystemExit(1) from None


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
