"""What a call to the model is charged with: what it cost, or that nobody knows yet. Pure.

The most that a call can cost is set aside before it is made, and what it was charged with stands in its
place afterwards. Where nobody knows whether the provider billed, the most goes on standing: it may have.
"""

from typing import Any, Final

from consensus.v1 import attempt_pb2
from consensus_rpc.errors import InvalidField
from persistence_service.schema.scalars import MAX_JSON_INTEGER

SPEND_COLUMNS: Final = ("currency", "most_micros", "charged_micros", "price_version")
_OPEN = frozenset({attempt_pb2.ATTEMPT_STATE_STARTED, attempt_pb2.ATTEMPT_STATE_UNKNOWN})
# An error that a gateway answers with once it no longer waits says nothing of what the model did.
_GAVE_UP_WAITING = frozenset({408, 504, 524})
_FIRST_ERROR = 400


def spend_columns(attempt: attempt_pb2.Attempt) -> dict[str, Any]:
    """The columns of an attempt's money; all None where its route has no price.

    Raises:
        InvalidField: an amount beyond 2**53.
    """
    amounts = {"cost": attempt.cost, "most_cost": attempt.most_cost}
    for name, amount in amounts.items():
        if amount.micros > MAX_JSON_INTEGER:
            raise InvalidField(field=f"attempts.{name}.micros", description=f"is at most {MAX_JSON_INTEGER}")
    return {
        "currency": attempt.cost.currency or attempt.most_cost.currency or None,
        "most_micros": attempt.most_cost.micros if attempt.HasField("most_cost") else None,
        "charged_micros": _charged(attempt),
        "price_version": attempt.price_version or None,
    }


def was_made(attempt: attempt_pb2.Attempt) -> bool:
    """Whether anything may have left this machine."""
    return attempt.state != attempt_pb2.ATTEMPT_STATE_FAILED or attempt.HasField("latency")


def _charged(attempt: attempt_pb2.Attempt) -> int | None:
    """In millionths; None as long as nobody knows, and where nobody ever will."""
    if attempt.state in _OPEN:
        return None
    if attempt.HasField("cost"):
        return attempt.cost.micros
    if attempt.state != attempt_pb2.ATTEMPT_STATE_FAILED:
        return None
    was_refused = attempt.http_status >= _FIRST_ERROR and attempt.http_status not in _GAVE_UP_WAITING
    is_unsaid = attempt.HasField("usage")  # it was read and answered, and has no price
    return 0 if not was_made(attempt) or (was_refused and not is_unsaid) else None
