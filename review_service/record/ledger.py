"""Persistence in the panel's words: begin a run, record what happened, know whether it is still ours.

One stream per run. Here work is asked for, and the stream is opened, for a new run or for one that was
granted; what goes over it then is the run's own ledger's.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, run_pb2
from consensus_contract.errors import ConsensusError, InternalError, PersistenceUnavailable
from consensus_contract.spans import seconds
from consensus_rpc.backoff import Clock
from consensus_rpc.telemetry.log import get_logger
from review_service.record.events import RecordItem, opening_events
from review_service.record.gateway import PersistenceGateway, RecordStream, Scope
from review_service.record.lease import Lease
from review_service.record.outbox import Outbox, Publish, Refusals
from review_service.record.run_ledger import RunLedger
from review_service.record.shards import Shard
from review_service.record.stream import Request, Response, open_stream, read

_log = get_logger()
_ATTACH_SECONDS = 10.0
_CLAIM_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What a run begins with: whose it is, what it is to do, and what its first commit records."""

    scope: Scope
    run_id: str
    specification: run_pb2.RunSpecification
    idempotency: persistence_service_pb2.IdempotencyClaim | None
    first_attempts: Sequence[attempt_pb2.Attempt]
    first_items: Sequence[RecordItem]


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that is this process's: its ledger, and when it must be done (on the clock, seconds)."""

    ledger: RunLedger
    deadline: float
    refused: Refusals = field(default=(), kw_only=True)
    """Of the first attempts, those that must not begin."""


@dataclass(frozen=True, slots=True)
class Attached(Begun):
    """A run that was begun elsewhere or earlier, with all that is recorded of it."""

    recorded: persistence_service_pb2.RunAttached


@dataclass(frozen=True, slots=True)
class Granted:
    """A run that was granted to this process, and who granted it."""

    run: persistence_service_pb2.ClaimedRun
    shard: Shard


class Ledger:
    """Opens the ledgers of runs for this process.

    `lease_owner` names the process; `clock` must be the event loop's. `acknowledged` is told how many seconds
    each record took, or was waited for in vain.
    """

    def __init__(
        self,
        gateway: PersistenceGateway,
        lease_owner: str,
        *,
        clock: Clock = time.monotonic,
        acknowledged: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._gateway = gateway
        self._lease_owner = lease_owner
        self._clock = clock
        self._acknowledged = acknowledged
        self._turn = 0

    async def create(
        self, run: NewRun, publish: Publish, *, answer_within: float | None
    ) -> Begun | persistence_service_pb2.FollowRun:
        """Creates a run, or says which one its idempotency key belongs to.

        Raises:
            ConsensusError: what persistence refuses with; PersistenceUnavailable when it is away.
        """
        outbox = Outbox(run.run_id, last_record_id=0, publish=publish)
        outbox.add(run.first_attempts, run.first_items)
        first = Request(
            create=persistence_service_pb2.BeginCreate(
                scope=run.scope,
                run_id=run.run_id,
                specification=run.specification,
                idempotency=run.idempotency,
                lease_owner=self._lease_owner,
                first_record=outbox.take(),
            )
        )
        sent_at = self._clock()
        stream, answer = await open_stream(self._gateway, first, answer_within=answer_within)
        if answer.WhichOneof("message") == "follow":
            stream.cancel()
            return answer.follow
        begun = _expected(stream, answer, "created").created
        publish(opening_events(run.run_id, begun.ack.event_time, run.specification.suspicions))
        outbox.acknowledged(begun.ack)
        deadline = sent_at + seconds(begun.time_to_deadline)
        ledger = self._started(run.scope, run.run_id, stream, begun.lease, sent_at, deadline, outbox)
        return Begun(ledger, deadline, refused=begun.ack.refused_attempts)

    async def attach(self, granted: Granted) -> Attached:
        """Goes on with a run that was granted to this process.

        Raises:
            ConsensusError: what persistence refuses with, such as LeaseLost; PersistenceUnavailable.
        """
        claimed = granted.run
        first = self._attach_request(claimed.scope, claimed.run_id, claimed.lease.fencing_token)
        sent_at = self._clock()
        stream, answer = await open_stream(
            self._gateway, first, answer_within=_ATTACH_SECONDS, granted_by=granted.shard
        )
        recorded = await _whole(stream, _expected(stream, answer, "attached").attached)
        outbox = Outbox(claimed.run_id, last_record_id=recorded.last_record_id)
        deadline = sent_at + seconds(recorded.time_to_deadline)
        ledger = self._started(
            claimed.scope, claimed.run_id, stream, recorded.lease, sent_at, deadline, outbox
        )
        return Attached(ledger, deadline, recorded)

    async def claim(self, max_count: int) -> list[Granted]:
        """Asks for work: queued and abandoned runs, granted to this process.

        Of several persistence services each is asked in turn; one that is away keeps nobody from the others.

        Raises:
            ConsensusError: what persistence refuses with; PersistenceUnavailable when it is away.
        """
        shards = self._gateway.shards_with_work()
        self._turn += 1
        granted: list[Granted] = []
        for index in range(len(shards)):
            shard = shards[(self._turn + index) % len(shards)]
            try:
                granted += await self._claim_at(shard, max_count - len(granted))
            except ConsensusError as error:
                if len(shards) == 1:
                    raise
                _log.warning("claim_failed", reason=error.reason_name, address=shard.address)
            if len(granted) >= max_count:
                break
        return granted

    async def _claim_at(self, shard: Shard, max_count: int) -> list[Granted]:
        runs = await self._gateway.claim_runs(shard, self._lease_owner, max_count, _CLAIM_SECONDS)
        return [Granted(run, shard) for run in runs]

    def _attach_request(self, scope: Scope, run_id: str, token: int) -> Request:
        return Request(
            attach=persistence_service_pb2.BeginAttach(
                scope=scope, run_id=run_id, fencing_token=token, lease_owner=self._lease_owner
            )
        )

    def _started(
        self,
        scope: Scope,
        run_id: str,
        stream: RecordStream,
        granted: persistence_service_pb2.Lease,
        sent_at: float,
        deadline: float,
        outbox: Outbox,
    ) -> RunLedger:
        lease = Lease(self._clock)
        lease.granted(granted, sent_at)
        attach = functools.partial(self._attach_request, scope, run_id, lease.token)
        ledger = RunLedger(
            self._gateway, attach, lease, outbox,
            deadline=deadline, clock=self._clock, acknowledged=self._acknowledged,
        )  # fmt: skip
        ledger.start(stream)
        return ledger


async def _whole(
    stream: RecordStream, attached: persistence_service_pb2.RunAttached
) -> persistence_service_pb2.RunAttached:
    """All that is recorded, when what did not fit into one answer has followed.

    Raises:
        ConsensusError: what the stream ended with; PersistenceUnavailable when no more came in time.
    """
    run = attached.run
    try:
        async with asyncio.timeout(_ATTACH_SECONDS):
            for _ in range(attached.part_count):
                answer = await read(stream)
                if answer is None:
                    raise PersistenceUnavailable
                part = _expected(stream, answer, "attached_part").attached_part
                run.persona_reviews.extend(part.persona_reviews)
                attached.attempts.extend(part.attempts)
                if part.HasField("proposal"):
                    run.proposal.CopyFrom(part.proposal)
    except TimeoutError as error:
        stream.cancel()
        raise PersistenceUnavailable from error
    except ConsensusError:
        stream.cancel()
        raise
    return attached


def _expected(stream: RecordStream, answer: Response, name: str) -> Response:
    if answer.WhichOneof("message") == name:
        return answer
    stream.cancel()
    _log.error("unexpected_answer", expected=name, received=answer.WhichOneof("message"))
    raise InternalError
