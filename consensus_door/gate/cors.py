"""What browsers are told of pages elsewhere that may call (CORS): no cookie is ever taken from there."""

from collections.abc import Mapping

from starlette.responses import Response

_TAKEN = frozenset(
    {
        "accept", "authorization", "connect-protocol-version", "connect-timeout-ms", "content-type",
        "grpc-timeout", "idempotency-key", "last-event-id", "prefer", "traceparent", "tracestate",
        "x-grpc-web", "x-request-id", "x-user-agent",
    }
)  # fmt: skip
_TOLD = "grpc-status, grpc-message, grpc-status-details-bin, location, retry-after, x-request-id, x-run-id"
_REMEMBERED_SECONDS = "7200"

CORS_HEADERS = (
    (b"access-control-expose-headers", _TOLD.encode()),
    (b"cross-origin-resource-policy", b"cross-origin"),
)


def preflight(headers: Mapping[str, str]) -> Response:
    """The answer to a browser that asks whether it may send a request; who may is added by the gate."""
    asked = headers.get("access-control-request-headers", "").lower()
    allowed = [each for part in asked.split(",") if (each := part.strip()) in _TAKEN]
    told = {
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": ", ".join(allowed),
        "access-control-max-age": _REMEMBERED_SECONDS,
    }
    return Response(None, 204, told)
