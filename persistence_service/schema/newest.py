"""The newest of what is only ever added to runs, without reading what came before it."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    Table,
    bindparam,
    literal_column,
    not_,
    select,
    tuple_,
)

from persistence_service.schema.visibility import Both, both, everything

RUN_IDS: BindParameter[list[str]] = bindparam("run_ids", expanding=True)
Kind = Callable[[FromClause], Sequence[ColumnElement[Any]]]


def newest_of_runs(table: Table, id_column: str, kind: Kind = lambda _: ()) -> Both[Select[Any]]:
    """For `tenant` and `run_ids`: of each run the row that was added last, the id being the tie-break; with a
    kind, of each run and kind.
    """
    later = table.alias("later")
    order = (tuple_(each.c.create_time, each.c[id_column]) for each in (later, table))
    alike = (one == other for one, other in zip(kind(later), kind(table), strict=True))
    newer = everything(
        select(literal_column("1")).where(
            later.c.tenant == table.c.tenant,
            later.c.run_id == table.c.run_id,
            *alike,
            next(order) > next(order),
        ),
        "only the run's own are compared",
    ).exists()
    return both(
        select(*(column for column in table.c if column.name != "tenant")).where(
            table.c.tenant == bindparam("tenant"), table.c.run_id.in_(RUN_IDS), not_(newer)
        )
    )
