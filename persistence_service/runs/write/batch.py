"""One batch of operations in one transaction: claim keys, lock runs, fold, write.

The transaction may be run again as a whole, so nothing outside it is changed before it is committed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from consensus_contract.errors import ConsensusError, IllegalState, RunNotFound
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Columns, run_stream
from persistence_service.journal.stream import all_entries
from persistence_service.runs.form import event_types, names
from persistence_service.runs.form.caps import Caps
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.write import claiming, interventions, repository, statements
from persistence_service.runs.write.batch_reads import BatchReads
from persistence_service.runs.write.carrying import check_carried
from persistence_service.runs.write.counting import change_of
from persistence_service.runs.write.creation import has_parent_text, parent_key
from persistence_service.runs.write.ends import deliveries
from persistence_service.runs.write.fold import Fold, Rules
from persistence_service.runs.write.locked_run import Changes, Tracked
from persistence_service.runs.write.operations import (
    Annotate,
    Append,
    Attach,
    Cancel,
    ClaimWork,
    Create,
    Delete,
    EndRefused,
    Operation,
    RecordExpansion,
    Release,
    Renew,
    Resume,
    RunOperation,
    Undelete,
)
from persistence_service.runs.write.outcomes import (
    Ack,
    Answer,
    BatchResult,
    Claimed,
    Created,
    Deferred,
    Done,
    Follow,
    Repeated,
)
from persistence_service.runs.write.run_limits import open_limits
from persistence_service.runs.write.spend_reads import open_book, refusals_of
from persistence_service.runs.write.unfinished import unfinished_work
from persistence_service.runs.write.writing import Outage


@dataclass(frozen=True, slots=True)
class BatchTerms:
    """What a batch needs to know.

    `outage` says, from the instant and the length of a lease, in which span a lease may have ended that is
    not to be granted yet.
    """

    rules: Rules
    key_ttl: timedelta
    outage: Callable[[datetime, timedelta], Outage | None] = lambda _now, _lease: None
    caps: Caps | None = None
    tells_ends: bool = False
    """Whether ends of runs are written down as webhooks."""


def run_batch(
    connection: Connection,
    operations: Sequence[Operation],
    terms: BatchTerms,
    *,
    attempts_may_be_there: bool = False,
) -> BatchResult:
    """Runs the operations in their order, and answers each.

    Raises:
        Conflicted: an operation broke a rule that only the database knows; the batch is to be split.
        AttemptsThere: attempts that begin are recorded already, of which nobody has said that they may be.
    """
    batch = _Batch(connection, operations, terms)
    return batch.run(attempts_may_be_there=attempts_may_be_there)


class _Batch:
    def __init__(self, connection: Connection, operations: Sequence[Operation], terms: BatchTerms) -> None:
        self._connection = connection
        self._terms = terms
        self._reads = BatchReads(connection, operations)
        self._broken: dict[int, ConsensusError] = {}
        self._work: list[Tracked] = []
        self._versions: dict[RunKey, str] = {}

    def run(self, *, attempts_may_be_there: bool) -> BatchResult:
        reads, terms = self._reads, self._terms
        self._keys = reads.begin(terms.key_ttl)
        self._operations, self._runs, now = reads.operations, reads.runs, reads.now
        self._changes = self._opened(now)
        self._changes.attempts_may_be_there = attempts_may_be_there
        self._fold = Fold(terms.rules, now, self._changes, reads.recorded())
        self._find_work(now)
        reads.find_repeated()
        reads.find_proposals()
        answers = [self._answer(operation) for operation in self._operations]
        tracked = list(self._runs.values())
        if terms.tells_ends:
            self._changes.deliveries = deliveries(self._runs, self._changes.entries)
        repository.write(self._connection, tracked, self._changes, self._keys)
        self._settle(answers)
        for index, refusal in reads.refused.items():  # in rising order: each finds its place
            answers.insert(index, refusal)
        changed = [each for each in tracked if each.is_changed]
        return BatchResult(answers, [each.run.head for each in changed], list(map(change_of, changed)))

    def _opened(self, now: datetime) -> Changes:
        """No changes yet; with the counters of what is limited, under their locks."""
        caps = self._terms.caps
        if caps is None:
            return Changes()
        limits = open_limits(self._connection, caps, self._operations, self._runs)
        return Changes(open_book(self._connection, caps, self._operations, self._runs, now), limits)

    # Before the fold: work.

    def _find_work(self, now: datetime) -> None:
        claims = [op for op in self._operations if isinstance(op, ClaimWork)]
        if not claims:
            return
        wanted = sum(op.max_count for op in claims)
        # Runs that this batch has locked already may be changed by it: left for the next claim.
        parameters: Columns = {"now": now, "closed": sorted(self._reads.closed)}
        parameters |= claiming.policy_versions(claims)
        claimable = statements.LOCK_CLAIMABLE
        if (outage := self._terms.outage(now, self._terms.rules.lease)) is not None:
            claimable = statements.LOCK_CLAIMABLE_AFTER_OUTAGE
            parameters |= {"began": outage.began, "ended": outage.ended}
        for row in claimable.rows(self._connection, wanted + len(self._runs), **parameters):
            columns = dict(row._mapping)
            version, key = columns.pop("policy_version"), (row.tenant, row.run_id)
            if key not in self._runs:
                self._versions[key] = version
                self._work.append(self._reads.track(columns))
        overdue = [each for each in self._work if claiming.overdue(self._fold, each.run)]
        if overdue:
            unfinished = unfinished_work(self._connection, [each.run.key for each in overdue])
            for each in overdue:
                claiming.give_up(self._fold, each, unfinished[each.run.key])
        self._work = [each for each in self._work if each.run.state in names.OPEN]

    # The fold.

    def _answer(self, operation: Operation) -> Answer:
        try:
            match operation:
                case ClaimWork():
                    return self._claim_work(operation)
                case RecordExpansion():
                    return self._expansion(operation)
                case _:
                    return self._in_its_stream(operation)
        except ConsensusError as refusal:
            return refusal

    def _in_its_stream(self, operation: RunOperation) -> Answer:
        if operation.key in self._reads.held_elsewhere:
            return Deferred(resource=f"runs/{operation.run_id}")
        stream = operation.stream
        if stream is None:
            return self._once_per_key(operation)
        broken = self._broken.get(id(stream)) or stream.error
        if broken is not None:
            return broken
        try:
            return self._once_per_key(operation)
        except ConsensusError as refusal:
            self._broken[id(stream)] = refusal
            raise

    def _once_per_key(self, operation: RunOperation) -> Answer:
        use = operation.key_use
        if use is None:
            return self._apply(operation)
        run_id = self._keys.check(use)
        if run_id is None:
            answer = self._apply(operation)
            self._keys.take(use)
            return answer
        if not isinstance(operation, Create):
            return Done()
        return (
            self._apply(operation) if run_id == operation.run_id else self._follow((use.scope.tenant, run_id))
        )

    def _follow(self, key: RunKey) -> Follow:
        tracked = self._runs.get(key)
        state = tracked.run.state if tracked is not None else self._reads.followed_states.get(key)
        if state is None or (tracked is not None and tracked.run.delete_time is not None):
            raise RunNotFound(run_id=key[1])
        return Follow(key[1], state)

    def _apply(self, operation: RunOperation) -> Answer:
        tracked = self._runs.get(operation.key)
        is_deleted = tracked is not None and tracked.run.delete_time is not None
        if is_deleted and not isinstance(operation, Delete | Undelete):
            raise RunNotFound(run_id=operation.run_id)
        if isinstance(operation, Create):
            return self._create(operation, tracked)
        if tracked is None:
            raise RunNotFound(run_id=operation.run_id)
        if isinstance(operation, EndRefused):
            return self._end_refused(tracked, operation)
        if isinstance(operation, Append):
            return self._append(tracked, operation)
        return _apply_to(self._fold, tracked, operation)

    def _append(self, tracked: Tracked, operation: Append) -> Answer:
        """A record, or its refusal; one for what it says ends the run: the next worker would say the same."""
        is_new = operation.record.record_id > tracked.run.last_record_id
        try:
            return self._fold.append(tracked, operation)
        except InvalidField as refusal:
            if is_new:
                self._end_refused(tracked, EndRefused.of(operation, refusal))
            raise

    def _end_refused(self, tracked: Tracked, operation: EndRefused) -> Done:
        step = operation.step
        if not step:  # nobody knows what the record was about
            step = unfinished_work(self._connection, [operation.key])[operation.key].failed_step
        return self._fold.end_refused(tracked, replace(operation, step=step), self._reviewed(operation.key))

    def _reviewed(self, key: RunKey) -> list[str]:
        """Whose reviews are recorded, by the journal: their own table may be what is refused."""
        entries = all_entries(self._connection, key[0], run_stream(key[1]))
        before = {each.persona_id or "" for each in entries if each.event_type == event_types.REVIEW}
        return sorted(before | self._changes.reviewed(key))

    def _create(self, operation: Create, tracked: Tracked | None) -> Answer:
        if tracked is not None:
            return self._fold.create_again(tracked, operation)
        self._check_parent(operation)
        tracked, answer = self._fold.create(operation)
        self._runs[operation.key] = tracked
        return answer

    def _check_parent(self, operation: Create) -> None:
        """A run that is revised is COMPLETED, and stays so: its state is read, its row not locked."""
        if (parent := parent_key(operation)) is None:
            return
        rows = statements.RUN_STATES.rows(self._connection, [parent])
        if not rows:
            raise RunNotFound(run_id=parent[1])
        state = rows[0].state
        if state == names.COMPLETED and not has_parent_text(operation):
            state = names.RUNNING  # as the caller saw it: it was completed since
        if state != names.COMPLETED:
            raise IllegalState(run_id=parent[1], state=state, operation="revise")
        if operation.carried:
            check_carried(operation, repository.find_parent(self._connection, parent))

    def _claim_work(self, operation: ClaimWork) -> Claimed:
        fitting = [each for each in self._work if operation.can_decide(self._versions[each.run.key])]
        granted = {each.run.key: each for each in fitting[: operation.max_count]}
        self._work = [each for each in self._work if each.run.key not in granted]
        return Claimed(tuple(claiming.claim(self._fold, each, operation) for each in granted.values()))

    def _expansion(self, operation: RecordExpansion) -> Done:
        key = (operation.scope.tenant, operation.expansion_id)
        caller, now = operation.scope.caller, self._fold.now
        taken = [self._changes.take_attempt(key, caller, columns, now) for columns in operation.attempts]
        self._changes.ask_expansion(key, caller, now)
        return Done(tuple(each for each in taken if each is not None))

    # After the fold.

    def _settle(self, answers: list[Answer]) -> None:
        """Puts the acknowledgements of repeated records in, as they were given first."""
        repeated = [answer for answer in answers if isinstance(answer, Repeated)]
        if not repeated:
            return
        acks = repository.find_acks(self._connection, [(each.key, each.record_id) for each in repeated])
        for index, answer in enumerate(answers):
            if isinstance(answer, Repeated):
                ack = acks.get((answer.key, answer.record_id), Ack(answer.record_id))
                operation = self._operations[index]
                if isinstance(operation, Create) and operation.first_record is not None:
                    attempts = operation.first_record.attempts
                    ack = replace(ack, refused=refusals_of(self._connection, answer.key, attempts))
                answers[index] = ack if answer.granted is None else Created(answer.granted, ack)


def _apply_to(fold: Fold, tracked: Tracked, operation: RunOperation) -> Answer:
    match operation:
        case Renew():
            return fold.renew(tracked, operation)
        case Attach():
            return fold.attach(tracked, operation)
        case Release():
            return fold.release(tracked, operation)
        case _:
            _intervene(fold.changes, tracked, operation, tracked.run.moment(fold.now))
            return Done()


def _intervene(changes: Changes, tracked: Tracked, operation: RunOperation, now: datetime) -> None:
    scope = operation.scope
    match operation:
        case Cancel():
            interventions.cancel(changes, tracked, scope, now)
        case Resume():
            interventions.resume(changes, tracked, scope, now)
        case Annotate():
            interventions.annotate(changes, tracked, scope, operation.notes, now)
        case Delete():
            interventions.delete(changes, tracked, scope, operation.deletion_id, now)
        case Undelete():
            interventions.undelete(changes, tracked, scope, now)
        case _:
            raise TypeError(type(operation))
