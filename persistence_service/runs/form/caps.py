"""How much may be spent: caps in millionths of one currency, for a run, a caller's day and a tenant's day.

Pure. A cap of None is none; one of 0 allows only what costs nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from persistence_service.schema.scalars import EPOCH

RUN: Final = "run"
CALLER_DAY: Final = "caller_day"
TENANT_DAY: Final = "tenant_day"
PRICE_UNKNOWN: Final = "price_unknown"
"""Why a call is refused that has no price: what it can cost is not known to be little."""
_DAY: Final = timedelta(days=1)


class ScopeKey(NamedTuple):
    """What is counted against one cap; they are locked in this order."""

    tenant: str
    kind: str
    name: str
    day: datetime


@dataclass(frozen=True, slots=True)
class TenantCaps:
    """What holds for one tenant; `caller_days` are caps of callers who have their own.

    `open_runs`: how many may be queued or running at once; `queued_runs`: how many of them may wait.
    """

    run: int | None = None
    caller_day: int | None = None
    tenant_day: int | None = None
    caller_days: Mapping[str, int] = field(default_factory=dict)
    open_runs: int | None = None
    queued_runs: int | None = None
    caller_open_runs: int | None = None
    caller_queued_runs: int | None = None

    @property
    def limits_runs(self) -> bool:
        """Whether runs are to be counted."""
        limits = (self.open_runs, self.queued_runs, self.caller_open_runs, self.caller_queued_runs)
        return any(limit is not None for limit in limits)


@dataclass(frozen=True, slots=True)
class Caps:
    """All caps of a service. `version` names them; `default` is for tenants without their own."""

    currency: str
    version: str
    default: TenantCaps
    tenants: Mapping[str, TenantCaps] = field(default_factory=dict)
    allows_unpriced: bool = False

    def of(self, tenant: str) -> TenantCaps:
        """What holds for a tenant."""
        return self.tenants.get(tenant, self.default)

    def scopes(self, tenant: str, caller: str, run_id: str, now: datetime) -> Iterator[tuple[ScopeKey, int]]:
        """What a call of now counts against, with the cap of each; the narrowest first."""
        caps, day = self.of(tenant), day_of(now)
        if caps.run is not None:
            yield ScopeKey(tenant, RUN, run_id, EPOCH), caps.run
        of_caller = caps.caller_days.get(caller, caps.caller_day)
        if of_caller is not None:
            yield ScopeKey(tenant, CALLER_DAY, caller, day), of_caller
        if caps.tenant_day is not None:
            yield ScopeKey(tenant, TENANT_DAY, "", day), caps.tenant_day


def day_of(instant: datetime) -> datetime:
    """When its day begins, in UTC."""
    return EPOCH + (instant - EPOCH) // _DAY * _DAY


def reset_of(kind: str, now: datetime) -> datetime | None:
    """When a cap begins anew; None: never, or not by waiting."""
    return day_of(now) + _DAY if kind in (CALLER_DAY, TENANT_DAY) else None
