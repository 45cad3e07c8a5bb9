"""How many runs of a tenant and of a caller may be open, counted where a run is created.

The count is made under a lock of the tenant's own in the transaction that creates the run, so that all
processes together keep the limit. No round trip where a tenant has none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from consensus_rpc.errors import Overloaded
from persistence_service.runs.form import names
from persistence_service.runs.form.caps import Caps, ScopeKey, TenantCaps
from persistence_service.runs.form.keys import RunKey
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.write.locked_run import Tracked
from persistence_service.runs.write.operations import Create, Operation
from persistence_service.runs.write.spend_reads import LOCK_COUNTERS, add_counters
from persistence_service.schema.scalars import EPOCH
from persistence_service.schema.visibility import visible

_LOCK: Final = "open_runs"
COUNT_OPEN: Final = (
    visible(select(RUNS.c.tenant, RUNS.c.caller, RUNS.c.state, func.count().label("count")))
    .where(RUNS.c.tenant.in_(bindparam("tenants", expanding=True)), RUNS.c.state.in_(sorted(names.OPEN)))
    .group_by(RUNS.c.tenant, RUNS.c.caller, RUNS.c.state)
)


class RunLimits:
    """The open runs of the tenants that a batch creates runs for, with those that it has created."""

    def __init__(self, caps: Mapping[str, TenantCaps], counts: Mapping[tuple[str, str, str], int]) -> None:
        """`caps` by tenant; `counts` by tenant, caller and state."""
        self._caps = caps
        self._counts = Counter(counts)

    def admit(self, tenant: str, caller: str, *, is_queued: bool) -> None:
        """Counts a run that is to be created.

        Raises:
            Overloaded: there are as many as may be; nothing is counted.
        """
        caps = self._caps.get(tenant)
        if caps is None:
            return
        for limit, of_caller, queued_alone in (
            (caps.caller_open_runs, caller, False),
            (caps.open_runs, None, False),
            (caps.caller_queued_runs, caller, True),
            (caps.queued_runs, None, True),
        ):
            if limit is None or (queued_alone and not is_queued):
                continue
            if self._count(tenant, of_caller, queued_alone=queued_alone) >= limit:
                whose = f"tenant {tenant}" if of_caller is None else f"caller {caller}"
                raise Overloaded(
                    subject=f"{'queued' if queued_alone else 'open'} runs of {whose}", limit=limit
                )
        self._counts[tenant, caller, names.QUEUED if is_queued else names.RUNNING] += 1

    def _count(self, tenant: str, caller: str | None, *, queued_alone: bool) -> int:
        return sum(
            count
            for (of_tenant, of_caller, state), count in self._counts.items()
            if of_tenant == tenant
            and caller in (None, of_caller)
            and (state == names.QUEUED or not queued_alone)
        )


def open_limits(
    connection: Connection, caps: Caps, operations: Sequence[Operation], runs: Mapping[RunKey, Tracked]
) -> RunLimits:
    """The counts for the runs that are new, under the locks of their tenants; taken before other counters."""
    new = {op.scope.tenant for op in operations if isinstance(op, Create) and op.key not in runs}
    limited = {tenant: caps.of(tenant) for tenant in sorted(new) if caps.of(tenant).limits_runs}
    if not limited:
        return RunLimits({}, {})
    locks = [ScopeKey(tenant, _LOCK, "", EPOCH) for tenant in limited]
    add_counters(connection, locks)
    LOCK_COUNTERS.rows(connection, locks)
    rows = connection.execute(COUNT_OPEN, {"tenants": list(limited)})
    return RunLimits(limited, {(row.tenant, row.caller, row.state): row.count for row in rows})  # type: ignore[misc]  # its name
