"""What is refused because it could cost more than may be spent."""

from collections.abc import Mapping
from typing import Self

import grpc

from consensus_contract.errors.base import ErrorReason, QuotaViolation
from consensus_contract.errors.runs import RunFailed


class SpendCapReached(RunFailed):
    """A call to the model could cost more than a cap leaves, and was not made."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = ErrorReason.ERROR_REASON_SPEND_CAP_REACHED
    text = "a call to the model could cost more than a cap on spending leaves"

    @classmethod
    def refusal(
        cls, message: str, *, cap: str, metadata: Mapping[str, str], retry_after_seconds: float | None
    ) -> Self:
        """As the answer to a call of which nothing was written: with the quota, and with when it helps to
        ask again, where waiting helps.
        """
        return cls.rebuilt(
            message,
            metadata={"cap": cap, **metadata},
            retry_after_seconds=retry_after_seconds,
            quota=(QuotaViolation(f"spending: {cap}", message),),
        )
