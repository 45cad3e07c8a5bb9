"""The ends of runs that a batch journals, as webhooks that wait. Pure."""

from collections.abc import Iterable, Mapping

from consensus_journal import Entry
from persistence_service.journal.entries import RUN_STREAMS, Columns
from persistence_service.runs.form import event_types
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.write.locked_run import LockedRun, Tracked
from persistence_service.webhooks.message import delivery_row

_ENDS = frozenset({event_types.RUN_COMPLETED, event_types.RUN_FAILED, event_types.RUN_CANCELLED})


def deliveries(runs: Mapping[RunKey, Tracked], entries: Iterable[Entry]) -> list[Columns]:
    """A row for each entry that ends a run; of these runs, as the batch leaves them."""
    return [
        delivery_row(entry, _decision(runs[(entry.tenant, entry.stream.removeprefix(RUN_STREAMS))].run))
        for entry in entries
        if entry.event_type in _ENDS
    ]


def _decision(run: LockedRun) -> Columns:
    """How the run was decided; nothing where it was not."""
    if run.decision_label is None or run.confidence is None:
        return {}
    return {
        "decision": run.decision_label,
        "confidence": run.confidence / 10_000,
        "policy": run.decision_policy_version,
    }
