"""Errors about access keys."""
# ruff: noqa: N818 - the names are those of the reasons in the contract

import grpc

from consensus_contract.errors.base import ConsensusError, ErrorReason


class AccessKeyNotFound(ConsensusError):
    """No such access key for this tenant; other tenants' look the same."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_ACCESS_KEY_NOT_FOUND

    def __init__(self, *, key_id: str) -> None:
        super().__init__(f"access key {key_id} was not found", metadata={"key_id": key_id})


class AccessKeyEnded(ConsensusError):
    """The access key has expired or was revoked."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_ACCESS_KEY_ENDED

    def __init__(self, *, key_id: str) -> None:
        super().__init__(f"access key {key_id} is valid no more", metadata={"key_id": key_id})


class BeyondOwnRights(ConsensusError):
    """A key would do more than its maker may, or act for a user that its maker may not act for."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = ErrorReason.ERROR_REASON_BEYOND_OWN_RIGHTS

    def __init__(self, *, scope: str = "") -> None:
        what = f"the scope {scope} is" if scope else "these users are"
        super().__init__(f"{what} beyond the rights of who asks", metadata={"scope": scope})
