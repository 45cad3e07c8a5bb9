"""The page of metrics, at the address that the settings say."""

from consensus_rpc.process.settings_types import split_host_port
from consensus_rpc.server.listener import CannotListenError
from consensus_rpc.telemetry.metrics import MetricsPage, serve_metrics


def open_metrics_page(listen: str) -> MetricsPage:
    """Serves what is in Prometheus's default registry there, until it is closed.

    Raises:
        CannotListenError: the address is taken.
    """
    try:
        return serve_metrics(*split_host_port(listen))
    except OSError as error:
        raise CannotListenError(f"cannot serve metrics on {listen}: is it in use?") from error
