"""What plain HTTP offers: one list, which routes and the OpenAPI document are made from."""

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor

from consensus.internal.v1 import diagnostics_service_pb2
from consensus.v1 import metric_service_pb2, review_service_pb2, run_pb2
from consensus_door.leaving import Handler
from consensus_door.plain.events import Events
from consensus_door.plain.records import Records
from consensus_door.plain.requests import LIST_PARAMETERS
from consensus_door.plain.reviews import Reviews
from consensus_door.services.services import Services


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path; `answer` is the message of its status 200, or its media type, or a schema."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    handler: Handler
    answer: Descriptor | str | dict[str, Any]
    takes: Descriptor | None = None
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    also: dict[int, str] = field(default_factory=dict)
    """Other statuses that are no error."""
    needs_credential: bool = True


_KEY = {
    "Idempotency-Key": "The caller's name for this request, 1 to 255 printable ASCII characters: sent again "
    "with the same body, it has no second effect."
}
_DELETED = {"show_deleted": "`true` shows a deleted run too; `false`."}
_HEALTH = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["ok", "unavailable"]},
        "review": {"type": "string"},
        "persistence": {"type": "string"},
    },
    "required": ["status", "review", "persistence"],
}


def operations(services: Services) -> list[Operation]:
    """All of them."""
    reviews, records, events = Reviews(services), Records(services), Events(services)
    return [
        Operation(
            "POST", "/v1/full-review", "fullReview", "Review an idea, a document or a proposal",
            "Starts a run and answers with it once it has ended. A run that the model's provider failed is "
            "answered with 502 or 504, with `run_id`, `failed_step` and `partial_results`.",
            reviews.full_review,
            run_pb2.Run.DESCRIPTOR,
            takes=review_service_pb2.ReviewInput.DESCRIPTOR,
            headers=_KEY | {
                "Prefer": "`respond-async`: answer at once, with status 202 and `Location`. `wait=30`: so "
                "after 30 seconds, if the run has not ended by then. The run goes on either way."
            },
            also={202: "The run goes on; `Location` says where it is."},
        ),
        Operation(
            "GET", "/v1/runs", "listRuns", "List runs, newest first",
            "Runs without steps, proposals and reviews, which each has at its own address.",
            records.list_runs,
            review_service_pb2.ListRunsResponse.DESCRIPTOR,
            query=dict(LIST_PARAMETERS),
        ),
        Operation(
            "GET", "/v1/runs/{run_id}", "getRun", "A run, whole", "As far as it has come.",
            records.get_run,
            run_pb2.Run.DESCRIPTOR,
            query=_DELETED,
        ),
        Operation(
            "GET", "/v1/runs/{run_id}/events", "followRun", "Follow a run",
            "Server-sent events: those recorded, then each as it is recorded. `id` is the event's sequence, "
            "`event` its kind, `data` a RunEvent. After the last comes `end` with the run's state; or "
            "`problem`, where it cannot be followed on. A stream that ends with neither was cut.",
            events.of_run,
            "text/event-stream",
            query={"after_sequence": "As `Last-Event-ID`, which goes before it."},
            headers={"Last-Event-ID": "Sequence of the last event that the caller has."},
            also={204: "The run has ended, and there is no later event."},
        ),
        Operation(
            "GET", "/v1/health", "health", "Whether both services serve", "503 unless they do.",
            records.health,
            _HEALTH,
            also={503: "One of them does not."},
            needs_credential=False,
        ),
        Operation(
            "GET", "/v1/health/db-pool", "pool", "Connections to the database",
            "Of the persistence process that answers.",
            records.pool,
            diagnostics_service_pb2.PoolStatus.DESCRIPTOR,
        ),
        Operation(
            "POST", "/v1/metrics", "storeMetrics", "Store metrics", "All of them or none.",
            records.store_metrics,
            metric_service_pb2.StoreMetricsResponse.DESCRIPTOR,
            takes=metric_service_pb2.StoreMetricsRequest.DESCRIPTOR,
            headers=_KEY,
        ),
    ]  # fmt: skip
