"""The one place that knows which calls to the model are recorded as begun and have no recorded end."""

from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import attempt_pb2, run_event_pb2, run_pb2
from review_service.record.events import RecordItem
from review_service.runs.counting import count_attempt
from review_service.steps.attempts import first_attempt, unknown_attempt
from review_service.steps.step import AttemptRefused

_STARTED = attempt_pb2.ATTEMPT_STATE_STARTED


class AttemptLedger(Protocol):
    """Where attempts are written: a run's ledger, or an expansion's."""

    def record(
        self, attempts: Sequence[attempt_pb2.Attempt] = (), items: Sequence[RecordItem] = ()
    ) -> Awaitable[Sequence[persistence_service_pb2.RefusedAttempt] | None]:
        """Takes these at once, to be written together whoever still waits; done once they are durable, with
        the attempts that must not begin, if any.
        """

    async def wait_lease(self) -> None:
        """Waits until calls may be made."""


class AttemptBook:
    """The recorder of a run's attempts, or of an expansion's: all that is recorded of them passes through it.

    `started` are the steps whose first attempt is recorded already, `refused` those of them that must not
    begin.
    """

    __slots__ = ("_ledger", "_refused", "_specification", "_under_way", "last_refused")

    def __init__(
        self,
        ledger: AttemptLedger,
        specification: run_pb2.RunSpecification,
        started: Iterable[str] = (),
        refused: Sequence[persistence_service_pb2.RefusedAttempt] = (),
    ) -> None:
        self._ledger = ledger
        self._specification = specification
        # By step; None for a first attempt, which is not held for minutes since it can be made again.
        self._under_way: dict[str, attempt_pb2.Attempt | None] = dict.fromkeys(started)
        self._refused: list[persistence_service_pb2.RefusedAttempt] = []  # there is seldom one
        self.last_refused: persistence_service_pb2.RefusedAttempt | None = None
        self._note_refused(refused)

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
        return self._noted(self._ledger.record(attempts, items))

    async def _noted(
        self, recorded: Awaitable[Sequence[persistence_service_pb2.RefusedAttempt] | None]
    ) -> None:
        if refused := await recorded:
            self._note_refused(refused)

    def _note_refused(self, refused: Sequence[persistence_service_pb2.RefusedAttempt]) -> None:
        for each in refused:
            self._under_way.pop(each.step, None)
            self._refused.append(each)
            self.last_refused = each

    def _note(self, attempt: attempt_pb2.Attempt) -> None:
        if attempt.state == _STARTED:
            self._under_way[attempt.step] = None if attempt.attempt_number == 1 else attempt
        else:
            self._under_way.pop(attempt.step, None)
            count_attempt(attempt)

    async def start(self, attempts: Sequence[attempt_pb2.Attempt], items: Sequence[RecordItem] = ()) -> None:
        """Returns once these, if any, are durable and the lease is held: the bytes of calls may leave."""
        if attempts or items:
            await self.record(attempts, items)
        await self._ledger.wait_lease()

    async def attempt_started(self, attempt: attempt_pb2.Attempt) -> None:
        """Returns once the attempt's bytes may leave.

        Raises:
            AttemptRefused: they must not, be it that this was said when the step was begun.
        """
        if not self._is_refused(attempt.step):
            await self.start([attempt])
        for each in self._refused:
            if each.step == attempt.step:
                self._refused.remove(each)
                raise AttemptRefused(each)

    def _is_refused(self, step: str) -> bool:
        return any(each.step == step for each in self._refused)

    async def attempt_failed(self, attempt: attempt_pb2.Attempt, event: run_event_pb2.AttemptFailed) -> None:
        """Records a failed attempt that another will follow."""
        await self.record([attempt], [RecordItem(attempt_failed=event)])

    def unknown_attempts(self) -> list[attempt_pb2.Attempt]:
        """What is to be recorded of calls that were cut: they may have been answered and billed."""
        return [
            unknown_attempt(first_attempt(self._specification, step) if attempt is None else attempt)
            for step, attempt in self._under_way.items()
        ]
