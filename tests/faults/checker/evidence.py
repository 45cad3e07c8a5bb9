"""All that a case left behind, in one place for the rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.faults.checker.snapshot import Snapshot
from tests.faults.checker.witness import Witness


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What the offline model counted of one attempt."""

    run_id: str
    step: str
    attempt: int
    started: int
    answered: int
    succeeded: int


def model_calls(counters: Mapping[str, Any], without: Iterable[str] = ()) -> list[ModelCall]:
    """The calls of a counters' snapshot, but those for some runs.

    Raises:
        RuntimeError: the model has forgotten some.
    """
    if counters["forgotten_keys"]:
        raise RuntimeError(f"the model has forgotten {counters['forgotten_keys']} calls")
    left_out = frozenset(without)
    names = ("run_id", "step", "attempt", "started", "answered", "succeeded")
    return [
        ModelCall(**{name: call[name] for name in names})
        for call in counters["calls"]
        if call["run_id"] not in left_out
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the rules are given."""

    snapshot: Snapshot
    calls: Sequence[ModelCall]
    witness: Witness = field(default_factory=Witness)
    logs: Mapping[str, str] = field(default_factory=dict)
    """What each process wrote, by name."""
    canaries: Sequence[str] = ()
    """Secrets and content that nobody may write."""
    lease_slack: timedelta = timedelta(seconds=6)
    """How long an open run may stand with a lease that has ended: the sweep, and some time to claim."""
