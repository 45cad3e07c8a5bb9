"""The ledger of one run: its stream kept open, its lease kept, its records sent and acknowledged in order.

What is recorded while another message is on its way leaves merged, so that several records are in flight at
once and none waits for the one before. The stream outlives connections: after a cut it is attached again
with the same token, and what was not acknowledged is sent again under its id.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2
from consensus_contract.errors import ConsensusError, InternalError, PersistenceUnavailable, PolicyUnknown
from consensus_rpc.backoff import Clock, Patience
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger
from review_service.record.events import RecordItem
from review_service.record.failures import RECONNECTING, is_passing
from review_service.record.gateway import PersistenceGateway, RecordStream
from review_service.record.lease import Lease
from review_service.record.outbox import Outbox, Refusals
from review_service.record.stream import Request, Response, open_stream, read, write
from review_service.record.wakeup import Wakeup

_log = get_logger()

# A process that was stopped for longer than its lease asks at least once whether the run is still its own.
_LEAST_PATIENCE_SECONDS = 0.1
_ATTACH_AGAIN_SECONDS = 2.0
_CLOSE_SECONDS = 2.0


class RecordingEnded(Exception):  # noqa: N818 - it says what happened, and need not be a fault
    """Nothing more can be recorded of the run from here; `error` says why: LeaseLost, RunCancelled, …"""

    def __init__(self, error: ConsensusError) -> None:
        super().__init__(error.message)
        self.error = error


class RunLedger:
    """Records one run. A task of its own keeps the stream; `close`, `release` or `abandon` end it.

    Nobody's cancellation takes back what was given to `record`. A connection that is lost is replaced while
    the token may still be the current one, and the run may still end: until a lease's time after the run's
    `deadline` (on the clock, seconds). `attach` makes the first message of such a connection. `acknowledged`
    is told how many seconds after its sending each record was, or was cut off with its connection.
    """

    def __init__(
        self,
        gateway: PersistenceGateway,
        attach: Callable[[], Request],
        lease: Lease,
        outbox: Outbox,
        *,
        deadline: float,
        clock: Clock,
        acknowledged: Callable[[float], None],
    ) -> None:
        self._deadline = deadline
        self._gateway = gateway
        self._attach = attach
        self._lease = lease
        self._outbox = outbox
        self._clock = clock
        self._acknowledged = acknowledged
        self._sent_at: list[float] = []  # of what is not acknowledged, in its order
        self._wake = Wakeup()
        self._renewal_due = False
        self._renewal_sent_at: float | None = None
        self._renewal: asyncio.TimerHandle | None = None
        self._parting: Request | None = None  # the last message; an empty one only ends the stream
        self._task: asyncio.Task[None] | None = None
        self.lost: asyncio.Future[ConsensusError] = asyncio.get_running_loop().create_future()

    def start(self, stream: RecordStream) -> None:
        """Takes over a stream that was begun."""
        self._task = asyncio.create_task(self._keep(stream))

    def record(
        self, attempts: Sequence[attempt_pb2.Attempt] = (), items: Sequence[RecordItem] = ()
    ) -> asyncio.Future[Refusals]:
        """Records these together; the future ends once they are durable, with what must not begin of them.

        Raises (from the future):
            RecordingEnded: when they cannot be recorded from here.
        """
        done = self._outbox.add(attempts, items)
        if self.lost.done():
            self._outbox.fail(RecordingEnded(self.lost.result()))
        self._wake.set()
        return done

    async def wait_lease(self) -> None:
        """Waits until the lease is held: no model call may start while it may have ended."""
        await self._lease.wait_held()

    async def close(self) -> None:
        """Ends the stream once all is acknowledged, or after two seconds."""
        await self._part(Request())

    async def release(self) -> None:
        """Gives the lease back once all is acknowledged, so that nobody need wait for its end."""
        await self._part(Request(release_lease=persistence_service_pb2.ReleaseLease()))

    async def abandon(self) -> None:
        """Drops the stream; the lease runs out by itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(PersistenceUnavailable())

    async def _part(self, parting: Request) -> None:
        if self._task is None:
            return
        self._parting = parting
        self._wake.set()
        await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)
        await self.abandon()

    async def _keep(self, stream: RecordStream) -> None:
        """Serves one connection after the other until the run's recording is over."""
        try:
            while (error := await self._serve(stream)) is not None and not self._has_parted:
                _raise_unless_passing(error)
                _log.warning("record_stream_cut", reason=error.reason_name, code=error.status_code.name)
                stream = await self._attached_again(error)
        except ConsensusError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a fault here must end the run's work, not hang it
            _log.error("recording_failed_unexpectedly", trace=fault_trace(error))
            self._fail(InternalError())

    @property
    def _has_parted(self) -> bool:
        return self._parting is not None and self._outbox.is_empty

    async def _serve(self, stream: RecordStream) -> ConsensusError | None:
        """Reads, writes and renews on one connection; returns why it ended, None when it was parted with."""
        self._renewal_sent_at = None
        writer = asyncio.create_task(self._write(stream))
        self._renew_later(stream)
        try:
            while (message := await read(stream)) is not None:
                self._take(message)
            return None if self._has_parted else PersistenceUnavailable()
        except ConsensusError as error:
            return error
        finally:
            stream.cancel()
            while self._sent_at:
                self._acknowledged(self._clock() - self._sent_at.pop(0))
            if self._renewal is not None:
                self._renewal.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    @property
    def _awaits_renewal(self) -> bool:
        return self._renewal_sent_at is not None

    def _take(self, message: Response) -> None:
        match message.WhichOneof("message"):
            case "ack":
                self._outbox.acknowledged(message.ack)
                self._acknowledged(self._clock() - self._sent_at.pop(0))
                if self._parting is not None:
                    self._wake.set()
            case "lease_renewed":
                sent_at, self._renewal_sent_at = self._renewal_sent_at, None
                if sent_at is None:
                    raise ValueError("a lease was renewed that nobody asked for")
                self._lease.granted(message.lease_renewed, sent_at)
            case "lease_released":
                pass  # the stream ends by itself
            case "attached_part":
                pass  # of what is known here: the connection was replaced
            case other:
                raise ValueError(f"an answer that was not asked for: {other}")

    async def _write(self, stream: RecordStream) -> None:
        """The only writer of a connection: two at once would kill it."""
        self._wake.set()
        while True:
            await self._wake.wait()
            if self._renewal_due:
                self._renewal_due = False
                self._renewal_sent_at = self._clock()
                await write(stream, Request(renew_lease=persistence_service_pb2.RenewLease()))
            while (record := self._outbox.take()) is not None:
                self._sent_at.append(self._clock())
                await write(stream, Request(record=record))
            if self._parting is not None and self._has_parted:
                await _say_goodbye(stream, self._parting)
                return

    def _renew_later(self, stream: RecordStream) -> None:
        """Asks for a renewal at each third of the lease: a timer, where a task would take 2 KiB."""
        loop = asyncio.get_running_loop()
        self._renewal = loop.call_later(self._lease.renewal_seconds, self._renew, stream)

    def _renew(self, stream: RecordStream) -> None:
        """Has a renewal sent; a connection that left one unanswered ends."""
        if self._awaits_renewal:
            stream.cancel()
            return
        self._renewal_due = True
        self._wake.set()
        self._renew_later(stream)

    async def _attached_again(self, cut: ConsensusError) -> RecordStream:
        """A new connection of the same run, whose last one ended with `cut`.

        Raises:
            ConsensusError: when it is no longer ours, or persistence stayed away for too long.
        """
        gives_up_in = max(self._lease.ends_at, self._deadline) + self._lease.length_seconds - self._clock()
        patience = Patience(RECONNECTING, max(gives_up_in, _LEAST_PATIENCE_SECONDS), clock=self._clock)
        if isinstance(cut, PolicyUnknown):  # the connection is as good as ever: it is the record that waits
            await asyncio.sleep(min(cut.retry_after_seconds or 0, self._lease.renewal_seconds))
        while (wait := patience.wait_seconds()) is not None:
            await asyncio.sleep(wait)
            sent_at = self._clock()
            try:
                stream, answer = await open_stream(
                    self._gateway, self._attach(), answer_within=_ATTACH_AGAIN_SECONDS
                )
            except ConsensusError as error:
                _raise_unless_passing(error)
                cut = error
                continue
            self._lease.granted(answer.attached.lease, sent_at)
            self._outbox.rewind()
            _log.info("record_stream_attached_again")
            return stream
        raise cut

    def _fail(self, error: ConsensusError) -> None:
        if not self.lost.done():
            self.lost.set_result(error)
        self._outbox.fail(RecordingEnded(error))


def _raise_unless_passing(error: ConsensusError) -> None:
    if not is_passing(error):
        raise error


async def _say_goodbye(stream: RecordStream, parting: Request) -> None:
    if parting.WhichOneof("message") is not None:
        await write(stream, parting)
    with suppress(asyncio.InvalidStateError):
        await stream.done_writing()
