"""What servers tell of the certificates that they use: log lines, and a metric."""

from collections.abc import Callable
from datetime import datetime
from functools import cache

from prometheus_client import Gauge

from consensus_rpc.telemetry.log import get_logger

_log = get_logger()


class CertificateTelemetry:
    """Logs what becomes of files that are watched, and shows the days that they are good for."""

    def taken(self, use: str, expires: datetime | None) -> None:
        """Logs that new files are used."""
        _log.info("certificate_taken", use=use, expires=str(expires or ""))

    def refused(self, use: str, reason: str) -> None:
        """Logs that new files are of no use."""
        _log.error("certificate_not_taken", use=use, reason=reason)

    def count_down(self, use: str, days_left: Callable[[], float]) -> None:
        """Shows the days under the name of the use."""
        _expiry_days().labels(use).set_function(days_left)


@cache
def _expiry_days() -> Gauge:
    """In Prometheus's default registry, made once per process."""
    return Gauge(
        "consensus_certificate_expiry_days",
        "Days until a certificate in use expires, less than zero when it has.",
        ("use",),
    )
