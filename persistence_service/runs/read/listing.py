"""Lists of runs, attempts and reviews, page by page: each goes on after the last row of the one before."""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select

from consensus.internal.v1 import persistence_service_pb2
from consensus.v1 import run_pb2
from consensus_contract.errors import RunNotFound
from consensus_contract.steps import step_names
from persistence_service.paging.keyset import beyond, fitting
from persistence_service.paging.sizes import page_size
from persistence_service.paging.tokens import Signer
from persistence_service.runs.form import names
from persistence_service.runs.form.attempts import attempt_message
from persistence_service.runs.form.events import RecordedRunEvent
from persistence_service.runs.form.run_message import listed_run, whole_run
from persistence_service.runs.form.tables import RUNS
from persistence_service.runs.read import repository
from persistence_service.runs.read.attempts import find_attempts, find_keys, sort_key
from persistence_service.runs.read.labels import Labels, find_labels
from persistence_service.runs.read.reader import RunReader
from persistence_service.schema.scalars import (
    from_microseconds,
    from_timestamp,
    from_timestamp_up,
    microseconds,
)

_NEWEST_FIRST = (RUNS.c.create_time, RUNS.c.run_id)
Row: TypeAlias = Mapping[Any, Any]
RunEntries: TypeAlias = dict[str, list[RecordedRunEvent]]


async def list_runs(
    reader: RunReader, signer: Signer, request: persistence_service_pb2.ListRunsRequest
) -> persistence_service_pb2.ListRunsResponse:
    """A page of the tenant's runs, newest first, with the id as tie-break.

    Raises:
        InvalidPageToken: of another tenant or filter, or none of ours.
    """
    tenant, size = request.scope.tenant, page_size(request.page_size)
    shown = request.show_deleted
    name = "all_runs" if shown else "runs"
    binding = [name, tenant, request.filter.SerializeToString(deterministic=True).hex()]
    position = signer.position(binding, request.page_token) if request.page_token else None
    statement = newest_first(
        repository.RUNS_WITH_SPECIFICATION.shown(shown), tenant, request.filter, position, size + 1
    )

    def find(connection: Connection) -> tuple[Sequence[Row], RunEntries, Labels]:
        rows = connection.execute(statement).mappings().all()
        entries = repository.find_entries(connection, tenant, [row["run_id"] for row in rows[:size]])
        decided = [row for row in rows[:size] if row["decision_label"] is not None]
        return rows, entries, find_labels(connection, tenant, decided, show_deleted=shown)

    rows, entries, labels = await reader.read(tenant, find, "runs", may_be_stale=True)
    runs = (
        labels.told(listed_run(row, entries[row["run_id"]], reader.options.retention)) for row in rows[:size]
    )
    page = fitting(runs, size)
    response = persistence_service_pb2.ListRunsResponse(runs=page)
    if len(rows) > len(page):
        last = rows[len(page) - 1]
        position = [microseconds(last["create_time"]), last["run_id"]]
        response.next_page_token = signer.token(binding, position)
    return response


def newest_first(
    columns: Select[Any], tenant: str, wanted: run_pb2.RunFilter, position: list[Any] | None, limit: int
) -> Select[Any]:
    """The tenant's runs that the filter wants, from the newest on, or from after a position on.

    A position is a create time in microseconds and an id.
    """
    conditions = [RUNS.c.tenant == tenant, *filter_conditions(wanted)]
    if position is not None:
        create_time_us, run_id = position
        last = from_microseconds(create_time_us), run_id
        conditions.append(beyond(_NEWEST_FIRST, last, descending=True))
    order = (column.desc() for column in _NEWEST_FIRST)
    return columns.where(*conditions).order_by(*order).limit(limit)


def filter_conditions(wanted: run_pb2.RunFilter) -> list[ColumnElement[bool]]:
    """All that is set must hold."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.state:
        conditions.append(RUNS.c.state == names.run_state_text(wanted.state))
    if wanted.type:
        conditions.append(RUNS.c.run_type == names.run_type_text(wanted.type))
    if wanted.parent_run_id:
        conditions.append(RUNS.c.parent_run_id == wanted.parent_run_id)
    if wanted.decision:
        conditions.append(RUNS.c.decision_label == names.label_text(wanted.decision))
    if wanted.HasField("min_confidence"):
        conditions.append(RUNS.c.confidence >= _least(wanted.min_confidence))
    if wanted.HasField("create_time_from"):
        begin = from_timestamp_up(wanted.create_time_from, "filter.create_time_from")
        conditions.append(RUNS.c.create_time >= begin)
    if wanted.HasField("create_time_to"):
        conditions.append(
            RUNS.c.create_time <= from_timestamp(wanted.create_time_to, "filter.create_time_to")
        )
    if wanted.user:
        conditions.append(RUNS.c.user_id == wanted.user)
    return conditions


def _least(confidence: float) -> int:
    """The ten-thousandths to compare with, rounded half-up as confidences are."""
    scaled = Decimal(repr(confidence)) * 10_000
    return int(scaled.to_integral_value(ROUND_HALF_UP))


async def list_attempts(
    reader: RunReader, signer: Signer, request: persistence_service_pb2.ListAttemptsRequest
) -> persistence_service_pb2.ListAttemptsResponse:
    """A page of the attempts of a run or an expansion, in the order of steps and numbers.

    Raises:
        InvalidPageToken: of another run, or none of ours.
        RunNotFound: the tenant has no such run, and no such expansion.
    """
    tenant, run_id, size = request.scope.tenant, request.run_id, page_size(request.page_size)
    binding = ["attempts", tenant, run_id]
    after = signer.position(binding, request.page_token) if request.page_token else None

    shown = request.show_deleted

    def find(connection: Connection) -> tuple[list[Mapping[Any, Any]], bool]:
        panel = repository.find_panel(connection, tenant, run_id, show_deleted=shown)
        steps = step_names(panel or ())
        keys = find_keys(connection, tenant, run_id, steps, show_deleted=shown)
        if not keys and panel is None:
            raise RunNotFound(run_id=run_id)
        if after is not None:
            last = sort_key(steps, (after[0], after[1]))
            keys = [key for key in keys if sort_key(steps, key) > last]
        page = keys[:size]
        if not page:
            return [], False
        rows = find_attempts(connection, tenant, run_id, steps, page, show_deleted=shown)
        return rows, len(keys) > size

    rows, has_more = await reader.read(tenant, find, f"runs/{run_id}")
    return _attempts_page(rows, has_more, lambda last: signer.token(binding, last))


def _attempts_page(
    rows: Sequence[Mapping[Any, Any]], has_more: bool, token: Callable[[list[Any]], str]
) -> persistence_service_pb2.ListAttemptsResponse:
    page = fitting(map(attempt_message, rows), len(rows))
    response = persistence_service_pb2.ListAttemptsResponse(attempts=page)
    if has_more or len(page) < len(rows):
        last = page[-1]
        response.next_page_token = token([last.step, last.attempt_number])
    return response


async def list_persona_reviews(
    reader: RunReader,
    signer: Signer,
    request: persistence_service_pb2.ListPersonaReviewsRequest,
) -> persistence_service_pb2.ListPersonaReviewsResponse:
    """A page of the reviews of a run, in persona order; a review that comes in between pages is not repeated.

    Raises:
        InvalidPageToken: of another run, or none of ours.
        RunNotFound: the tenant has no such run.
    """
    tenant, run_id, size = request.scope.tenant, request.run_id, page_size(request.page_size)
    binding = ["persona_reviews", tenant, run_id]
    after = signer.position(binding, request.page_token)[0] if request.page_token else ""

    def find(connection: Connection) -> run_pb2.Run:
        # However large: which reviews are stale is told by all of it.
        return whole_run(repository.find_run(connection, tenant, run_id, show_deleted=request.show_deleted))

    run = await reader.read(tenant, find, f"runs/{run_id}")
    place = {persona.persona_id: index for index, persona in enumerate(run.specification.personas)}
    behind = place.get(after, -1)
    left = [each for each in run.persona_reviews if place[each.persona_id] > behind]
    page = fitting(left, size)
    response = persistence_service_pb2.ListPersonaReviewsResponse(persona_reviews=page)
    if len(page) < len(left):
        response.next_page_token = signer.token(binding, [page[-1].persona_id])
    return response
