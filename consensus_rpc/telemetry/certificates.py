"""What servers tell of the certificates that they use: log lines, and a metric."""

from collections.abc import Callable
from datetime import datetime
from functools import cache

from prometheus_client import Gauge

from consensus_rpc.telemetry.log import get_logger

_log = get_logger()


class CertificateTelemetry:
    """Logs what becomes of files that are watched, and shows when they expire."""

    def taken(self, use: str, expires: datetime | None) -> None:
        """Logs that new files are used."""
        _log.info("certificate_taken", use=use, expires=str(expires or ""))

    def refused(self, use: str, reason: str) -> None:
        """Logs that new files are of no use."""
        _log.error("certificate_not_taken", use=use, reason=reason)

    def expires(self, use: str, timestamp: Callable[[], float]) -> None:
        """Shows it under the name of the use."""
        certificate_expiry().labels(use).set_function(timestamp)


@cache
def certificate_expiry() -> Gauge:
    """When certificates expire, in Prometheus's default registry, made once per process."""
    return Gauge(
        "consensus_certificate_expiry_timestamp_seconds",
        "When a certificate in use expires, in seconds since 1970.",
        ("use",),
    )
