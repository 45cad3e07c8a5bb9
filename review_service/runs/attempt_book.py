"""The one place that knows which calls to the model are recorded as begun and have no recorded end."""

from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol

from consensus.v1 import attempt_pb2, run_event_pb2, run_pb2
from review_service.record.events import RecordItem
from review_service.steps.attempts import first_attempt, unknown_attempt

_STARTED = attempt_pb2.ATTEMPT_STATE_STARTED


class AttemptLedger(Protocol):
    """Where attempts are written: a run's ledger, or an expansion's."""

    def record(
        self, attempts: Sequence[attempt_pb2.Attempt] = (), items: Sequence[RecordItem] = ()
    ) -> Awaitable[None]:
        """Takes these at once, to be written together whoever still waits; done once they are durable."""

    async def wait_lease(self) -> None:
        """Waits until calls may be made."""


class AttemptBook:
    """The recorder of a run's attempts, or of an expansion's: all that is recorded of them passes through it.

    `started` are the steps whose first attempt is recorded already.
    """

    __slots__ = ("_ledger", "_specification", "_under_way")

    def __init__(
        self, ledger: AttemptLedger, specification: run_pb2.RunSpecification, started: Iterable[str] = ()
    ) -> None:
        self._ledger = ledger
        self._specification = specification
        # By step; None for a first attempt, which is not held for minutes since it can be made again.
        self._under_way: dict[str, attempt_pb2.Attempt | None] = dict.fromkeys(started)

    def is_started(self, step: str) -> bool:
        """Whether an attempt of the step is recorded as STARTED and its end is not."""
        return step in self._under_way

    def first_attempts(self, steps: Iterable[str]) -> list[attempt_pb2.Attempt]:
        """The first attempts of those steps that have none under way, to be recorded with their starts."""
        return [first_attempt(self._specification, step) for step in steps if not self.is_started(step)]

    def record(
        self, attempts: Sequence[attempt_pb2.Attempt] = (), items: Sequence[RecordItem] = ()
    ) -> Awaitable[None]:
        """Records attempts that begin or have ended, and what goes with them, in one commit."""
        for attempt in attempts:
            self._note(attempt)
        return self._ledger.record(attempts, items)

    def _note(self, attempt: attempt_pb2.Attempt) -> None:
        if attempt.state == _STARTED:
            self._under_way[attempt.step] = None if attempt.attempt_number == 1 else attempt
        else:
            self._under_way.pop(attempt.step, None)

    async def start(self, attempts: Sequence[attempt_pb2.Attempt], items: Sequence[RecordItem] = ()) -> None:
        """Returns once these, if any, are durable and the lease is held: the bytes of calls may leave."""
        if attempts or items:
            await self.record(attempts, items)
        await self._ledger.wait_lease()

    async def attempt_started(self, attempt: attempt_pb2.Attempt) -> None:
        """Returns once the attempt's bytes may leave."""
        await self.start([attempt])

    async def attempt_failed(self, attempt: attempt_pb2.Attempt, event: run_event_pb2.AttemptFailed) -> None:
        """Records a failed attempt that another will follow."""
        await self.record([attempt], [RecordItem(attempt_failed=event)])

    def unknown_attempts(self) -> list[attempt_pb2.Attempt]:
        """What is to be recorded of calls that were cut: they may have been answered and billed."""
        return [
            unknown_attempt(first_attempt(self._specification, step) if attempt is None else attempt)
            for step, attempt in self._under_way.items()
        ]
