"""A gRPC server process: starts, says where it listens and whether it serves, drains when told to."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import grpc

from consensus_rpc.process.memory import return_large_buffers
from consensus_rpc.process.port_file import write_port_file
from consensus_rpc.process.stop_signals import is_impatient, stop_signals
from consensus_rpc.security.files import ServerTls
from consensus_rpc.security.tls import only_tls_13
from consensus_rpc.server.admission import Admission, TenantPlaces
from consensus_rpc.server.guard import Guard, OpenGuard, PolicyError
from consensus_rpc.server.health import Health
from consensus_rpc.server.interceptor import RpcInterceptor
from consensus_rpc.server.lag import EventLoopLag
from consensus_rpc.server.listener import CannotListenError, Listener
from consensus_rpc.server.metrics_page import open_metrics_page
from consensus_rpc.server.options import ServerOptions, parse_server_args
from consensus_rpc.server.unread import UnreadAnswers
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.labels import tenant_label
from consensus_rpc.telemetry.log import get_logger
from consensus_rpc.telemetry.metrics import MetricsPage, RpcMetrics, default_metrics

__all__ = ["CannotListenError", "Listener", "Server", "ServerOptions", "parse_server_args", "run"]

_log = get_logger()

Hook = Callable[[], Awaitable[None]]

# Rare collections: a server's objects live for a call or for good (measured: twice the throughput).
_GC_THRESHOLDS = (50_000, 20, 20)
_GOODBYE_SECONDS = 0.2
_UNWIND_SECONDS = 5.0
_STOP_SECONDS = 10.0


class Server:
    """A listening gRPC server with its health, reflection, metrics page and drain.

    Add servicers to `grpc` before `start`; then `serve` until a signal or `request_stop`. `listen_too` gives
    it a further address with services of its own; calls are admitted, counted and drained together.
    """

    def __init__(
        self,
        options: ServerOptions,
        *,
        service_names: Iterable[str],
        metrics: RpcMetrics | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Builds it; nothing listens yet. A service's name is a full one: `consensus.v1.ReviewService`.

        Without a guard everybody may do everything.
        """
        self._options = options
        self._admission = Admission(options.max_calls_in_flight)
        self._tenants = TenantPlaces(options.max_calls_in_flight_per_tenant)
        self._health = Health()
        self._stop_requested = asyncio.Event()
        self._metrics_page: MetricsPage | None = None
        self._is_announced = False
        self._is_signalled = False
        self.metrics_address = ""
        self._metrics = metrics or default_metrics()
        self._lag = EventLoopLag(self._metrics.counts)
        self._metrics.counts.calls_admitted.set_function(lambda: self._admission.in_flight)
        self._metrics.counts.calls_limit.set(options.max_calls_in_flight)
        tenant_label.most = options.metrics_tenants
        self._unread = UnreadAnswers(
            self._metrics.counts,
            slow_seconds=options.slow_consumer_seconds,
            max_bytes=options.max_unread_bytes,
        )
        self._guard = guard or OpenGuard()
        self._listeners: list[Listener] = []
        self._listen(options.listen, service_names, options.tls)

    def listen_too(self, listen: str, service_names: Iterable[str], tls: ServerTls | None = None) -> Listener:
        """A further address, before `start`; a worker's is the one that its supervisor has reserved."""
        place = self._options.place
        return self._listen(place.listens[len(self._listeners)] if place else listen, service_names, tls)

    @property
    def grpc(self) -> grpc.aio.Server:
        """What servicers of the first address are added to."""
        return self._listeners[0].grpc

    @property
    def address(self) -> str:
        """Where it listens first; empty before `start`."""
        return self._listeners[0].address

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

        The port file has a line for each address, in the order in which they were given.

        Raises:
            CannotListenError: when an address, or that of the metrics, cannot be bound.
            PolicyError: when the guard does not know all methods, or knows some that are not there.
        """
        for listener in self._listeners:
            await listener.prepare(self._health)
        self._guard.check_methods({name for each in self._listeners for name in each.grpc.methods})
        self._start_metrics()  # first: what gRPC has started cannot be let go without a stop
        for listener in self._listeners:
            await listener.start()
        self._lag.start()
        for each in self._listeners:
            _log.info(
                "listening",
                address=each.address,
                encrypted=each.is_encrypted,
                metrics_address=self.metrics_address,
            )
        if plain := [each.address for each in self._listeners if not each.is_encrypted]:
            _log.warning("plain_text", addresses=plain, meaning="anybody on the way can read and change it")
        if self._options.port_file is not None:
            write_port_file(self._options.port_file, [each.address for each in self._listeners])

    def answer_health_of(self, name: str) -> None:
        """A further name for health checks, apart from the server's own health."""
        self._health.know_apart(name)

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

    def _listen(self, listen: str, service_names: Iterable[str], tls: ServerTls | None) -> Listener:
        interceptor = RpcInterceptor(
            self._admission,
            self._metrics,
            self._unread,
            max_message_bytes=self._options.max_message_bytes,
            first_request_seconds=self._options.first_request_seconds,
            character_limits=self._options.character_limits,
            guard=self._guard,
            tenants=self._tenants,
            requires_identity=tls is not None and tls.requires_certificates,
        )
        listener = Listener(listen, service_names, interceptor, self._options, tls)
        self._health.know(listener.service_names)
        self._listeners.append(listener)
        return listener

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
        # What is left now is cut off.
        await asyncio.gather(*(each.grpc.stop(_GOODBYE_SECONDS) for each in self._listeners))
        await self._admission.wait_idle(_UNWIND_SECONDS)  # its handlers still have `finally` blocks to run
        if self._metrics_page is not None:
            await asyncio.to_thread(self._metrics_page.close)
        if on_stop is not None:
            await _bounded(on_stop, _STOP_SECONDS)
        _log.info("stopped")

    def _start_metrics(self) -> None:
        if self._options.metrics_listen is None:
            return
        self._metrics_page = open_metrics_page(self._options.metrics_listen)
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
        SystemExit: 1, after a line in the log, when the server cannot listen, or must not for its policy.
    """
    return_large_buffers()
    only_tls_13()
    try:
        _run(main)
    except (CannotListenError, PolicyError) as refusal:
        _log.critical("start_refused", reason=str(refusal))
        raise SystemExit(1) from None


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
