"""How runs are kept. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from persistence_service.runs.form.caps import Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How runs are kept; spans in seconds."""

    lease_seconds: float = 15.0
    max_take_overs: int = 5
    run_timeout_seconds: float = 600.0
    idempotency_key_ttl_seconds: float = 604_800.0
    watch_poll_seconds: float = 0.5
    heartbeat_seconds: float = 15.0
    slow_consumer_seconds: float = 30.0
    write_timeout_seconds: float = 10.0
    batch_timeout_seconds: float = 2.0
    max_queued_runs_per_tenant: int = 10_000
    caps: Caps | None = None
    retention_days: int = 30
    """How long a deleted run can be restored; 0: for ever."""
    tells_ends: bool = False
    """Whether ends of runs are written down as webhooks."""
    max_records_in_flight: int = 64
    """Records of one stream that wait for their commit; more stay with gRPC's flow control."""

    @property
    def run_timeout(self) -> timedelta:
        """What holds where a specification names none."""
        return timedelta(seconds=self.run_timeout_seconds)

    @property
    def retention(self) -> timedelta | None:
        """From deletion to purging; None: never purged."""
        return timedelta(days=self.retention_days) if self.retention_days else None
