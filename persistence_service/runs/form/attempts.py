"""Calls to the model, between the wire and their rows. Pure."""

from collections.abc import Mapping
from typing import Any

from consensus.v1 import attempt_pb2
from consensus_journal import canonical_json
from persistence_service.runs.form import names
from persistence_service.runs.form.charging import spend_columns
from persistence_service.runs.form.payloads import NO_USAGE, usage_columns, usage_message
from persistence_service.schema.scalars import (
    from_duration,
    hundredths,
    storable,
    storable_json,
    to_duration,
    to_timestamp,
)

_TEXTS = ("requested_model", "answered_model", "provider_request_id", "message")
_EVIDENCE = (
    "cause", "provider_code", "provider_type", "provider_param", "provider_message", "uncounted", "route",
    "protocol", "estimated_input_tokens",
)  # fmt: skip
_EVIDENCE_LISTS = ("mended", "truncated_fields", "dropped_parameters")
_NUMBERS = ("attempt_number", "max_output_tokens", "http_status")
# Nothing is NULL, which takes no room: as long as the attempt is in flight, and most often afterwards.
_OFTEN_NOTHING = ("http_status", "answered_model", "provider_request_id", "message", "raw_output")


def attempt_columns(attempt: attempt_pb2.Attempt) -> dict[str, Any]:
    """The row of an attempt, without its owner's id and its start time, which the writer sets.

    In `raw_output`, which is kept for people to read, NUL is replaced by U+FFFD.

    Raises:
        InvalidField: for what the table cannot hold.
    """
    columns: dict[str, Any] = {name: getattr(attempt, name) for name in _NUMBERS}
    columns |= {name: storable(getattr(attempt, name), f"attempts.{name}") for name in _TEXTS}
    columns["step"], columns["is_repair"] = attempt.step, attempt.repair
    columns["state"] = names.attempt_state_text(attempt.state)
    columns["reason"] = names.reason_text(attempt.reason) if attempt.reason else None
    has_temperature = attempt.HasField("temperature")
    columns["temperature"] = (
        hundredths(attempt.temperature, "attempts.temperature") if has_temperature else None
    )
    has_latency = attempt.HasField("latency")
    columns["latency_nanoseconds"] = (
        from_duration(attempt.latency, "attempts.latency") if has_latency else None
    )
    columns["raw_output"] = attempt.raw_output.replace("\x00", "\ufffd")
    columns["evidence"] = _evidence(attempt)
    columns |= usage_columns(attempt.usage) if attempt.HasField("usage") else NO_USAGE
    columns |= spend_columns(attempt)
    columns |= {name: columns[name] or None for name in _OFTEN_NOTHING}
    return columns


def _evidence(attempt: attempt_pb2.Attempt) -> dict[str, Any] | None:
    """How it was asked where that is not as usual, what was said, put right and paid; most often nothing.

    Raises:
        InvalidField: for the character NUL.
    """
    said = {name: getattr(attempt, name) for name in _EVIDENCE}
    said |= {name: list(getattr(attempt, name)) for name in _EVIDENCE_LISTS}
    found: dict[str, Any] = {name: value for name, value in said.items() if value}
    if attempt.HasField("cost"):
        found["cost"] = {"currency": attempt.cost.currency, "micros": attempt.cost.micros}
    if not found:
        return None
    storable_json(found, canonical_json(found), "attempts")
    return found


def attempt_message(row: Mapping[Any, Any]) -> attempt_pb2.Attempt:
    """The attempt that a row was made of, with its start time."""
    attempt = attempt_pb2.Attempt(
        step=row["step"],
        state=names.attempt_state_number(row["state"]),
        repair=row["is_repair"],
        start_time=to_timestamp(row["start_time"]),
        raw_output=row["raw_output"],
        **{name: row[name] for name in _TEXTS},
        **{name: row[name] for name in _NUMBERS},
    )
    for name, value in (row["evidence"] or {}).items():
        if isinstance(value, list):
            getattr(attempt, name).extend(value)
        elif isinstance(value, dict):
            attempt.cost.CopyFrom(attempt_pb2.Cost(**value))
        else:
            setattr(attempt, name, value)
    if row["most_micros"] is not None:
        attempt.most_cost.CopyFrom(attempt_pb2.Cost(currency=row["currency"], micros=row["most_micros"]))
    attempt.price_version = row["price_version"] or ""
    if row["reason"] is not None:
        attempt.reason = names.reason_number(row["reason"])
    if row["temperature"] is not None:
        attempt.temperature = row["temperature"] / 100
    if row["latency_nanoseconds"] is not None:
        attempt.latency.CopyFrom(to_duration(row["latency_nanoseconds"]))
    if row["input_tokens"] is not None:
        attempt.usage.CopyFrom(usage_message(row))
    return attempt
