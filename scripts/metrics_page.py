"""The page of all metrics, from what the processes register."""

import sys
from importlib import import_module

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from consensus_door.metrics import DoorMetrics
from consensus_rpc.telemetry.certificates import certificate_expiry
from consensus_rpc.telemetry.metrics import default_metrics

HEAD = """\
<!-- Made by `make docs` from the code; never edited. -->
# Metrics

Each process shows its own at `/metrics`, where `METRICS_LISTEN` says, the door where `DOOR_METRICS_LISTEN`
does; a worker has a port of its own. `both` are the two services. Beside these stand `process_…` and
`python_…`, which the library adds. A histogram has `_bucket` (with the label `le`), `_sum` and `_count`.

No label has more values than a number that the code sets. Names from outside are told apart up to it and are
`other` beyond: 30 models, 200 routes, 40 subjects of an overload. `tenant` is empty, which is no label to
Prometheus, unless `METRICS_TENANTS` says how many tenants to tell apart.
[operations.md](operations.md#alerts) says what is worth an alert; `deploy/grafana/` has a dashboard.

| metric | kind | labels | shown by | meaning |
| --- | --- | --- | --- | --- |"""
PROCESSES = {"review_service": "review", "persistence_service": "persistence"}


def metrics_page() -> str:
    """Return docs/metrics.md."""
    for module in ("review_service.__main__", "persistence_service.serving"):
        import_module(module)
    default_metrics()
    certificate_expiry()
    of_services = known()
    DoorMetrics()
    shown = {each: shown_by(each) for each in of_services} | dict.fromkeys(known() - of_services, "door")
    parts = ["both", *PROCESSES.values(), "door"]
    rows = sorted((parts.index(part), row(each, part)) for each, part in shown.items())
    return "\n".join([HEAD, *(text for _, text in rows), ""])


def known() -> set[MetricWrapperBase]:
    """Return what is registered, and what the services' modules hold to register it when there is a need."""
    held = (vars(module) for name, module in sys.modules.items() if name.partition(".")[0] in PROCESSES)
    # The library has no public word for what is registered, or for the names of labels.
    found = (*REGISTRY._collector_to_names, *(value for names in held for value in names.values()))
    return {each for each in found if isinstance(each, MetricWrapperBase)}


def shown_by(metric: MetricWrapperBase) -> str:
    """Return who shows a metric: whose module holds it, or else both services."""
    for name, module in sys.modules.items():
        part = PROCESSES.get(name.partition(".")[0])
        if part is not None and any(value is metric for value in vars(module).values()):
            return part
    return "both"


def row(metric: MetricWrapperBase, part: str) -> str:
    (described,) = metric.describe()
    name = f"{described.name}_total" if described.type == "counter" else described.name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return f"| `{name}` | {described.type} | {labels} | {part} | {described.documentation} |"
