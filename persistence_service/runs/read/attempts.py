"""Reads of calls to the model. Never commits."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, null, select, tuple_

from persistence_service.runs.form.attempt_tables import ATTEMPTS
from persistence_service.schema.visibility import both

AttemptKey: TypeAlias = tuple[str, int]
"""Step and number."""

_IN_RUN = (ATTEMPTS.c.tenant == bindparam("tenant"), ATTEMPTS.c.run_id == bindparam("run_id"))
KEYS_OF_RUN = both(select(ATTEMPTS.c.step, ATTEMPTS.c.attempt_number).where(*_IN_RUN))
# But for what the model answered, which may be a megabyte each.
OF_RUN = both(
    select(
        *(column for column in ATTEMPTS.columns if column.name != "raw_output"), null().label("raw_output")
    ).where(*_IN_RUN)
)
SOME_OF_RUN = both(
    select(*ATTEMPTS.columns).where(
        *_IN_RUN, tuple_(ATTEMPTS.c.step, ATTEMPTS.c.attempt_number).in_(bindparam("keys", expanding=True))
    )
)


def sort_key(steps: Sequence[str], key: AttemptKey) -> tuple[int, str, int]:
    """Orders attempts by `steps`, then by their numbers; steps that are not among them come last."""
    step, number = key
    return (steps.index(step) if step in steps else len(steps), step, number)


def find_keys(
    connection: Connection, tenant: str, run_id: str, steps: Sequence[str], *, show_deleted: bool = False
) -> list[AttemptKey]:
    """The keys of all attempts of a run, in the order of `steps`."""
    rows = connection.execute(KEYS_OF_RUN.shown(show_deleted), {"tenant": tenant, "run_id": run_id})
    return sorted(((row.step, row.attempt_number) for row in rows), key=lambda key: sort_key(steps, key))


def find_attempts(
    connection: Connection,
    tenant: str,
    run_id: str,
    steps: Sequence[str],
    keys: Sequence[AttemptKey] | None = None,
    *,
    show_deleted: bool = False,
) -> list[Mapping[Any, Any]]:
    """Attempts of a run in the order of `steps`: those with `keys`, or all, without what was answered."""
    of_run: dict[str, Any] = {"tenant": tenant, "run_id": run_id}
    if keys is None:
        rows = connection.execute(OF_RUN.shown(show_deleted), of_run).mappings().all()
    else:
        rows = connection.execute(SOME_OF_RUN.shown(show_deleted), of_run | {"keys": keys}).mappings().all()
    return sorted(rows, key=lambda row: sort_key(steps, (row["step"], row["attempt_number"])))
