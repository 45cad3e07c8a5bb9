"""Overrides of decisions, between the wire and their rows. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from consensus.v1 import decision_pb2
from persistence_service.journal.entries import Columns
from persistence_service.runs.form import names
from persistence_service.schema.scalars import storable, to_timestamp


def override_row(
    tenant: str, override: decision_pb2.DecisionOverride, override_id: str, caller: str, now: datetime
) -> Columns:
    """The row of an override that is to be recorded.

    Raises:
        InvalidField: NUL in a text.
    """
    return {
        "tenant": tenant,
        "run_id": override.run_id,
        "override_id": override_id,
        "create_time": now,
        "label": names.label_text(override.label),
        "user_id": storable(override.user, "override.user"),
        "caller": caller,
        "reason": storable(override.reason, "override.reason"),
    }


def override_message(row: Mapping[Any, Any]) -> decision_pb2.DecisionOverride:
    """The override that a row was made of."""
    return decision_pb2.DecisionOverride(
        run_id=row["run_id"],
        override_id=row["override_id"],
        label=names.label_number(row["label"]),
        reason=row["reason"],
        user=row["user_id"],
        caller=row["caller"],
        create_time=to_timestamp(row["create_time"]),
    )
