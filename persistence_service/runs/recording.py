"""One worker's stream: records in, acknowledgements out, in their order.

A reader hands what arrives to the writer at once, so that several records may be under way; this side
answers them in order. The stream also ends without a write, when the notifier says that the run was
cancelled or that another process has it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import ConsensusError, LeaseLost, RunCancelled
from consensus_rpc.errors import InvalidField
from consensus_rpc.telemetry.log import bind_contextvars
from persistence_service.idempotency.keys import START
from persistence_service.runs.access import RunAccess
from persistence_service.runs.form import names
from persistence_service.runs.form.keys import RunHead, RunKey, RunScope, run_key_use, scope_of
from persistence_service.runs.form.panel import NO_PANEL, panel_of
from persistence_service.runs.form.portions import attached_portions
from persistence_service.runs.form.specification import specification_row
from persistence_service.runs.write import answer_messages
from persistence_service.runs.write.operations import (
    Append,
    Attach,
    Create,
    EndRefused,
    OrderedStream,
    PreparedRecord,
    Release,
    Renew,
    RunOperation,
)
from persistence_service.runs.write.outcomes import Follow

Requests = AsyncIterator[persistence_service_pb2.RecordRunRequest]


@dataclass(frozen=True, slots=True)
class _Reply:
    """What is to be sent once the writer has answered."""

    answer: asyncio.Future[Any]
    respond: Callable[[Any, float], persistence_service_pb2.RecordRunResponse]
    """From the answer and the seconds that it took."""
    started: float = field(default_factory=monotonic)

    async def message(self) -> persistence_service_pb2.RecordRunResponse:
        answer = await self.answer
        return self.respond(answer, monotonic() - self.started)


class _Replies:
    """What is to be sent, in its order; an error, or None for a good end, is the last.

    There is one for every run that is recorded: asyncio's own queue takes 1.7 KiB when it is empty.
    """

    __slots__ = ("_awaited", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[_Reply | ConsensusError | None] = []
        self._awaited: asyncio.Future[None] | None = None

    def put(self, reply: _Reply | ConsensusError | None) -> None:
        self._waiting.append(reply)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    async def get(self) -> _Reply | ConsensusError | None:
        """The next; for one taker."""
        while not self._waiting:
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        return self._waiting.pop(0)


class Recording:
    """A worker's stream from its first message to its last."""

    def __init__(self, runs: RunAccess, stopping: asyncio.Future[None], holder: Callable[[str], str]) -> None:
        """`stopping` fails with the reason when all streams are to end; `holder` makes a peer's token a lease
        owner's name."""
        self._runs = runs
        self._holder = holder
        self._stopping = stopping
        self._stream = OrderedStream()
        self._scope = RunScope("", "", "")
        self._run_id = ""
        self._token = 0
        self._panel = NO_PANEL
        self._parts: list[persistence_service_pb2.AttachedPart] = []
        self._replies = _Replies()
        self._room = asyncio.Semaphore(runs.options.max_records_in_flight)

    async def run(self, requests: Requests) -> AsyncIterator[persistence_service_pb2.RecordRunResponse]:
        """Answers the stream's messages.

        Raises:
            ConsensusError: the refusal that ends the stream.
        """
        begun = await self._begin(requests)
        if begun is None:
            return
        bind_contextvars(run_id=self._run_id)
        is_followed = begun.WhichOneof("message") == "follow"
        yield begun
        del begun  # the stream goes on for as long as the run
        while self._parts:
            yield persistence_service_pb2.RecordRunResponse(attached_part=self._parts.pop(0))
        if is_followed:
            return
        with self._runs.notifier.following(self._key, self._on_change):
            reader = asyncio.create_task(self._read(requests))
            self._stopping.add_done_callback(self._end)
            try:
                while (reply := await self._replies.get()) is not None:
                    if isinstance(reply, ConsensusError):
                        raise reply
                    yield await reply.message()
                    self._room.release()
                    del reply
            finally:
                self._stopping.remove_done_callback(self._end)
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reader

    @property
    def _key(self) -> RunKey:
        return (self._scope.tenant, self._run_id)

    # The first message.

    async def _begin(self, requests: Requests) -> persistence_service_pb2.RecordRunResponse | None:
        first = await anext(requests, None)
        if first is None:
            return None
        match first.WhichOneof("message"):
            case "create":
                return await self._create(first.create)
            case "attach":
                return await self._attach(first.attach)
            case _:
                raise InvalidField(field="message", description="is `create` or `attach` at first")

    async def _create(
        self, begin: persistence_service_pb2.BeginCreate
    ) -> persistence_service_pb2.RecordRunResponse:
        if begin.specification.HasField("revision"):
            raise InvalidField(field="create.specification.revision", description="begins with CreateRun")
        self._scope, self._run_id = scope_of(begin.scope), begin.run_id
        started, use = monotonic(), None
        if begin.HasField("idempotency"):
            use = run_key_use(begin.scope, START, begin.idempotency, resource="", run_id=begin.run_id)
        operation = Create(
            scope=self._scope,
            run_id=begin.run_id,
            key_use=use,
            specification=specification_row(begin.specification, self._runs.options.run_timeout),
            lease_owner=self._holder(begin.lease_owner),
            first_record=PreparedRecord.of(begin.first_record),
        )
        answer = await self._runs.writer.write(operation)
        if isinstance(answer, Follow):
            return persistence_service_pb2.RecordRunResponse(follow=answer_messages.follow_message(answer))
        message = answer_messages.begun_message(answer, monotonic() - started)
        self._token, self._panel = message.lease.fencing_token, operation.specification.panel
        return persistence_service_pb2.RecordRunResponse(created=message)

    async def _attach(
        self, begin: persistence_service_pb2.BeginAttach
    ) -> persistence_service_pb2.RecordRunResponse:
        self._scope, self._run_id = scope_of(begin.scope), begin.run_id
        started = monotonic()
        operation = Attach(
            scope=self._scope,
            run_id=begin.run_id,
            fencing_token=begin.fencing_token,
            lease_owner=self._holder(begin.lease_owner),
        )
        granted = await self._runs.writer.write(operation)
        run, attempts = await self._runs.reader.run_and_attempts(self._key)
        message: persistence_service_pb2.RunAttached = answer_messages.attached_message(
            granted, monotonic() - started
        )
        first, listed, self._parts = attached_portions(run, attempts)
        message.run.CopyFrom(first)
        message.attempts.extend(listed)
        message.part_count = len(self._parts)
        self._token, self._panel = granted.fencing_token, panel_of(run.specification)
        return persistence_service_pb2.RecordRunResponse(attached=message)

    # Everything after it.

    async def _read(self, requests: Requests) -> None:
        try:
            async for request in requests:
                await self._room.acquire()
                self._replies.put(self._take(request))
                if request.HasField("release_lease"):
                    break
                del request  # the next one may be long in coming
        except ConsensusError as refusal:  # of the contract's rules, or of what the tables can hold
            await self._end_run(refusal)
            self._replies.put(refusal)
        else:
            self._replies.put(None)

    async def _end_run(self, refusal: ConsensusError) -> None:
        """Ends a run of which something came that is refused for good: it would come again."""
        if not isinstance(refusal, InvalidField):
            return
        end = EndRefused(**self._fenced(), step="", reason=refusal.reason, message=refusal.message)
        with contextlib.suppress(ConsensusError):  # it is not this worker's any more, or cannot be written
            await self._runs.writer.write(end)

    def _take(self, request: persistence_service_pb2.RecordRunRequest) -> _Reply:
        """Hands the message to the writer."""
        match request.WhichOneof("message"):
            case "record":
                return self._append(PreparedRecord.of(request.record))
            case "renew_lease":
                renew = Renew(**self._fenced())
                return self._hand_in(
                    renew,
                    lambda *answer: persistence_service_pb2.RecordRunResponse(
                        lease_renewed=answer_messages.lease_message(*answer)
                    ),
                )
            case "release_lease":
                release = Release(**self._fenced())
                return self._hand_in(
                    release,
                    lambda *_: persistence_service_pb2.RecordRunResponse(
                        lease_released=persistence_service_pb2.LeaseReleased()
                    ),
                )
            case _:
                raise InvalidField(field="message", description="begins a stream only once")

    def _append(self, record: PreparedRecord) -> _Reply:
        append = Append(**self._fenced(), record=record, panel=self._panel)
        return self._hand_in(
            append,
            lambda ack, _: persistence_service_pb2.RecordRunResponse(ack=answer_messages.ack_message(ack)),
        )

    def _fenced(self) -> dict[str, Any]:
        return {
            "scope": self._scope,
            "run_id": self._run_id,
            "stream": self._stream,
            "fencing_token": self._token,
        }

    def _hand_in(
        self,
        operation: RunOperation,
        respond: Callable[[Any, float], persistence_service_pb2.RecordRunResponse],
    ) -> _Reply:
        return _Reply(self._runs.writer.hand_in(operation), respond)

    # Ends that nobody asked for.

    def _on_change(self, head: RunHead) -> None:
        if head.fencing_token > self._token:  # one that is lower was read before this owner had the run
            error = RunCancelled if head.state == names.CANCELLED else LeaseLost
            self._replies.put(error(run_id=self._run_id))

    def _end(self, stopping: asyncio.Future[None]) -> None:
        error = stopping.exception()
        if isinstance(error, ConsensusError):
            self._replies.put(error)
