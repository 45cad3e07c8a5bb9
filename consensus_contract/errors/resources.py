"""Errors about what is stored under an id or a key."""
# ruff: noqa: N818 - the names are those of the reasons in the contract

import grpc

from consensus_contract.errors.base import ConsensusError, ErrorReason


class DuplicateId(ConsensusError):
    """The id that the caller chose, such as `drafts/7`, is taken."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = ErrorReason.ERROR_REASON_DUPLICATE_ID

    def __init__(self, *, resource: str) -> None:
        super().__init__(f"{resource} exists already", metadata={"resource": resource})


class IdempotencyKeyReused(ConsensusError):
    """The idempotency key was used with another request; nothing was written."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_IDEMPOTENCY_KEY_REUSED

    def __init__(self, *, idempotency_key: str, run_id: str | None = None) -> None:
        metadata = {"idempotency_key": idempotency_key}
        if run_id is not None:
            metadata["run_id"] = run_id
        super().__init__(
            "the idempotency key was used with another request; nothing was written", metadata=metadata
        )


class DeletionNotFound(ConsensusError):
    """No such deletion for this tenant, or nothing of it is left to restore."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_DELETION_NOT_FOUND

    def __init__(self, *, deletion_id: str) -> None:
        super().__init__(
            f"deletion {deletion_id} was not found, or nothing of it is left to restore",
            metadata={"deletion_id": deletion_id},
        )


class MetricNotFound(ConsensusError):
    """No such metric for this tenant; deleted and foreign metrics look the same."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_METRIC_NOT_FOUND

    def __init__(self, *, metric_id: str) -> None:
        super().__init__(f"metric {metric_id} was not found", metadata={"metric_id": metric_id})


class PolicyNotFound(ConsensusError):
    """No such policy, or no such revision of it, for this tenant; other tenants' look the same."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_POLICY_NOT_FOUND

    def __init__(self, *, policy_id: str, revision: str = "") -> None:
        metadata = {"policy_id": policy_id}
        if revision:
            metadata["revision"] = revision
        which = f"policy {policy_id}" + (f", revision {revision}," if revision else "")
        super().__init__(f"{which} was not found", metadata=metadata)


class PanelNotFound(ConsensusError):
    """No such panel, or no such revision of it, for this tenant; deleted and foreign panels look the same."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_PANEL_NOT_FOUND

    def __init__(self, *, panel_id: str, revision: str = "") -> None:
        metadata = {"panel_id": panel_id}
        if revision:
            metadata["revision"] = revision
        which = f"panel {panel_id}" + (f", revision {revision}," if revision else "")
        super().__init__(f"{which} was not found", metadata=metadata)
