"""Delivers webhooks in the background: in nobody's way, a few at a time, again until somebody took them."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import Counter, Gauge

from consensus_contract.errors import ConsensusError
from consensus_rpc.backoff import Backoff, Chance
from consensus_rpc.telemetry.fault_trace import fault_trace
from consensus_rpc.telemetry.log import get_logger
from persistence_service.database import EVERY_TENANT, Database, Unit
from persistence_service.database.faults import code_of
from persistence_service.database.units import Result
from persistence_service.webhooks import repository
from persistence_service.webhooks.message import body_of, message_id
from persistence_service.webhooks.receiver import Answer, Receiver
from persistence_service.webhooks.repository import Delivery, Settlement

log = get_logger()

ATTEMPTS = Counter(
    "consensus_webhook_attempts", "Attempts to deliver a webhook, by what became of them.", ["outcome"]
)
OLDEST = Gauge(
    "consensus_webhook_oldest_waiting_seconds", "How long the oldest undelivered webhook has waited."
)

_DELIVERED, _FAILED, _GIVEN_UP = "delivered", "failed", "given_up"
for _outcome in (_DELIVERED, _FAILED, _GIVEN_UP):  # so that the first of a kind is an increase
    ATTEMPTS.labels(_outcome)

MAX_IN_FLIGHT = 8
_SETTLING = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchOptions:
    """When webhooks are tried again, and for how long; spans in seconds.

    `door_url` is where people see runs; empty: webhooks have no link. While no attempt succeeds, the process
    waits as `away` says before it makes others.
    """

    timeout_seconds: float
    retry_for: timedelta
    door_url: str = ""
    poll_seconds: float = 1.0
    backoff: Backoff = field(default=Backoff(first_seconds=1.0, ceiling_seconds=3600.0))
    away: Backoff = field(default=Backoff(first_seconds=1.0, ceiling_seconds=60.0))


class Dispatcher:
    """Delivers what waits in one database; as many of them as there are processes share the work."""

    def __init__(
        self,
        database: Database,
        receiver: Receiver,
        options: DispatchOptions,
        *,
        chance: Chance = random.random,
    ) -> None:
        """Starts nothing yet."""
        self._database = database
        self._receiver = receiver
        self._options = options
        self._chance = chance
        self._hold = timedelta(seconds=options.timeout_seconds) + _SETTLING
        self._draining = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to deliver, on the running loop."""
        self._running = asyncio.create_task(self._run())

    def drain(self) -> None:
        """Begins no attempt any more."""
        self._draining.set()

    async def close(self) -> None:
        """Ends it, once what is under way has ended: for as long as an attempt may take."""
        self.drain()
        if self._running is not None:
            await self._running

    async def deliver_some(self) -> list[Settlement]:
        """Tries a few of those that are due, together, and writes down what became of them.

        Raises:
            DatabaseUnavailable, LockTimeout: not now.
        """
        if not await self._is_any_due():
            return []
        held = await self._change(
            lambda connection: repository.hold_due(connection, self._database.now, self._hold, MAX_IN_FLIGHT)
        )
        settled = list(await asyncio.gather(*map(self._attempt, held)))
        if settled:
            await self._change(lambda connection: repository.settle(connection, self._database.now, settled))
        _tell(settled)
        return settled

    async def _run(self) -> None:
        failures = 0
        try:
            while not self._draining.is_set():
                settled = await self._safely_deliver_some()
                has_failed = bool(settled) and all(each.failure is not None for each in settled)
                failures = failures + 1 if has_failed else 0
                if has_failed:
                    await self._pause(self._options.away.seconds(failures, self._chance()))
                elif len(settled) < MAX_IN_FLIGHT:
                    await self._pause(self._options.poll_seconds)
        finally:
            await self._receiver.close()

    async def _safely_deliver_some(self) -> Sequence[Settlement]:
        try:
            return await self.deliver_some()
        except ConsensusError as error:  # what was held is tried again once nobody holds it
            log.debug("webhooks_deferred", reason=error.reason_name)
        except Exception as error:  # noqa: BLE001 - the next round is to come
            log.error("webhooks_failed", code=code_of(error), trace=fault_trace(error))  # noqa: TRY400 - its text may quote rows
        return []

    async def _is_any_due(self) -> bool:
        waiting = await self._database.run(
            lambda connection: repository.waiting(connection, self._database.now),
            tenant=EVERY_TENANT,
            read_only=True,
            resource="webhooks",
        )
        age = waiting.now - waiting.oldest if waiting.oldest else timedelta()
        OLDEST.set(max(0.0, age.total_seconds()))
        return waiting.due is not None and waiting.due <= waiting.now

    async def _attempt(self, delivery: Delivery) -> Settlement:
        answer = await self._answer(delivery)
        if answer.failure is None or answer.is_final:
            return Settlement(delivery, answer.failure)
        wait = timedelta(seconds=self._options.backoff.seconds(delivery.attempt, self._chance()))
        is_too_late = delivery.age + wait > self._options.retry_for
        return Settlement(delivery, answer.failure, None if is_too_late else wait)

    async def _answer(self, delivery: Delivery) -> Answer:
        try:
            body = body_of(delivery.message, delivery.run_id, self._options.door_url)
            return await self._receiver.send(message_id(delivery.message), body)
        except Exception as error:  # noqa: BLE001 - those that are sent beside it are settled
            log.error("webhook_failed_unexpectedly", run_id=delivery.run_id, trace=fault_trace(error))  # noqa: TRY400 - its text may quote rows
            return Answer(type(error).__name__)

    async def _change(self, unit: Unit[Result]) -> Result:
        return await self._database.run(
            unit, tenant=EVERY_TENANT, isolation="READ COMMITTED", resource="webhooks"
        )

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._draining.wait()


def _tell(settled: Sequence[Settlement]) -> None:
    for each in settled:
        about = {"run_id": each.delivery.run_id, "attempt": each.delivery.attempt}
        if each.failure is None:
            ATTEMPTS.labels(_DELIVERED).inc()
            log.debug("webhook_delivered", **about)
        elif each.is_given_up:
            ATTEMPTS.labels(_GIVEN_UP).inc()
            log.error("webhook_given_up", failure=each.failure, **about)
        else:
            ATTEMPTS.labels(_FAILED).inc()
            log.info("webhook_failed", failure=each.failure, **about)
