"""What the writer answers. Pure.

An expected refusal is an answer (an error of the contract, as a value), so that it harms no neighbour in
the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from consensus_contract.errors import ConsensusError
from persistence_service.runs.form.keys import RunHead, RunKey, RunScope


class Conflicted(Exception):  # noqa: N818 - it says what happened
    """Rows of the batch stood in the way of one another, or of what another transaction had written.

    `refusal` is what the operation is answered when it was alone in its batch; None: it is to be run
    again, and will find what stood in its way.
    """

    def __init__(self, refusal: ConsensusError | None) -> None:
        super().__init__()
        self.refusal = refusal


class AttemptsThere(Exception):  # noqa: N818 - it says what happened
    """Attempts of the batch are recorded already: it is to be run again, and told that some may be."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An attempt that must not begin: which cap does not allow it, in words, and when it begins anew."""

    step: str
    attempt_number: int
    cap: str
    message: str
    reset_time: datetime | None


@dataclass(frozen=True, slots=True)
class Ack:
    """A record is committed. Without events both sequences are 0 and there is no time."""

    record_id: int
    first_sequence: int = 0
    last_sequence: int = 0
    event_time: datetime | None = None
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Granted:
    """A lease, by the database's clock at the moment of the answer; spans in seconds."""

    fencing_token: int
    lease_seconds: float
    seconds_to_deadline: float = 0.0
    last_record_id: int = 0
    budget_start_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """The run exists; with a lease and an acknowledgement if it is RUNNING."""

    granted: Granted | None
    ack: Ack | None


@dataclass(frozen=True, slots=True)
class Follow:
    """The key stands for this run."""

    run_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Released:
    """The lease was given back."""


@dataclass(frozen=True, slots=True)
class Done:
    """The run stands as asked; of an expansion, with the attempts that must not begin."""

    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that was granted, with the caller and request that started it."""

    scope: RunScope
    run_id: str
    granted: Granted


@dataclass(frozen=True, slots=True)
class Claimed:
    """The runs that were granted."""

    runs: tuple[ClaimedRun, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Repeated:
    """The record was committed before: its acknowledgement stands in the journal."""

    key: RunKey
    record_id: int
    granted: Granted | None = None
    """Set when it is the first record of a creation that is repeated."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """The answer to an operation whose row another transaction holds: it is tried again with later ones."""

    resource: str


Answer: TypeAlias = (
    Ack | Granted | Created | Follow | Released | Done | Claimed | Repeated | Deferred | ConsensusError
)


@dataclass(frozen=True, slots=True)
class RunChange:
    """What a batch made of a run; spans in seconds.

    `former_state` is None for a new one. `take_overs` counts those of this batch; `was_released`: the lease
    before had been given back. `queue_seconds` is there when work on the run began, `work_seconds` when it
    ended.
    """

    tenant: str
    former_state: str | None
    state: str
    take_overs: int = 0
    was_released: bool = False
    queue_seconds: float | None = None
    work_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a committed batch answers, in the order of its operations, and which runs it changed."""

    answers: Sequence[Answer]
    heads: Sequence[RunHead]
    changes: Sequence[RunChange] = ()
