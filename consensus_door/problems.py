"""Errors as plain HTTP tells them: problem details (RFC 9457), with the reason and what the error names."""

from collections.abc import Mapping
from typing import Any

import grpc
import orjson
from starlette.responses import Response

from consensus_contract.errors import ConsensusError
from consensus_rpc.errors import CallDeadlineExceeded, MessageTooLarge
from consensus_rpc.telemetry.request_id import current_request_id

MEDIA_TYPE = "application/problem+json"
MOST_CHARACTERS = 1000

_STATUS_BY_CODE = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNKNOWN: 502,
}
_OF_THE_PROVIDER = frozenset({"QUORUM_NOT_MET", "ATTEMPTS_EXHAUSTED"})
_KEPT_BACK = frozenset({"request_id", "server"})
_TITLES = {
    400: "The request is not as it must be",
    401: "No valid credential",
    403: "Not allowed",
    404: "Not found",
    408: "The request did not come in time",
    409: "Not possible as things stand",
    413: "The request is too large",
    429: "Too much at once",
    500: "An unexpected failure",
    501: "Not known here",
    502: "The model's provider failed",
    503: "Not available for now",
    504: "It took too long",
}


def status_of(error: ConsensusError) -> int:
    """The HTTP status of an error: 502 or 504 where the model's provider failed."""
    reason = error.reason_name
    if reason == "LLM_TIMEOUT":
        return 504
    if reason.startswith("LLM_") or reason in _OF_THE_PROVIDER:
        return 502
    if isinstance(error, MessageTooLarge):
        return 413
    if reason == "RUN_CANCELLED":
        return 409
    return _STATUS_BY_CODE.get(error.status_code, 500)


def told_of(error: ConsensusError, status: int = 0) -> dict[str, Any]:
    """The members of the problem; what the error names (`run_id`, `failed_step` …) stands among them."""
    status = status or status_of(error)
    # What the connection says names addresses of the services, which are nobody's business.
    said = error.message if error.reason_name else error.status_code.name.lower().replace("_", " ")
    told: dict[str, Any] = {
        **{name: value for name, value in error.metadata.items() if name not in _KEPT_BACK},
        "type": "about:blank",
        "title": _TITLES.get(status, "It failed"),
        "status": status,
        "detail": said[:MOST_CHARACTERS],
        "reason": error.reason_name,
        "code": error.status_code.name,
        "request_id": current_request_id() or "",
    }
    if error.field_violations:
        told["field_violations"] = [
            {"field": each.field, "description": each.description} for each in error.field_violations
        ]
    if error.retry_after_seconds is not None:
        told["retry_after_seconds"] = error.retry_after_seconds
    return told


def problem(error: ConsensusError, more: Mapping[str, Any] | None = None, status: int = 0) -> Response:
    """The answer for an error; `more` stands beside what is told of each."""
    told = told_of(error, status)
    headers = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    if told["status"] == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps({**told, **(more or {})}), told["status"], headers, MEDIA_TYPE)


def late_request(error: CallDeadlineExceeded) -> Response:
    """The answer for a request that came too slowly, which is the caller's doing: 408."""
    return problem(error, status=408)
