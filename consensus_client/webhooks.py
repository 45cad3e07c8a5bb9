"""What a receiver of webhooks does before it believes one: pure."""

import hmac
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from consensus_contract.webhooks import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    secrets_of,
    signature,
)

TOLERANCE_SECONDS = 300.0
_MOST_SIGNATURES = 16
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class WebhookVerificationError(ValueError):
    """The webhook was not sent by whoever has the secret, was changed on the way, or is too old."""


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    *,
    now: float | None = None,
) -> dict[str, Any]:
    """The message that a webhook brings, once its signature and its age are right.

    `secret` is `whsec_…`; several, with blanks between them, while one takes the place of another. Names of
    headers may be in any case. `body` is to be the bytes as they came: parsed and written anew they are
    others. `now` is in seconds since 1970, the clock's unless given. A webhook may come more than once:
    each time with the same `webhook-id`.

    Raises:
        WebhookVerificationError: it is not to be believed.
        ValueError: `secret` is none.
    """
    keys = secrets_of(secret)
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = _required(given, ID_HEADER), _required(given, TIMESTAMP_HEADER)
    if not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookVerificationError(f"{TIMESTAMP_HEADER} is no time")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance_seconds:
        raise WebhookVerificationError(f"{TIMESTAMP_HEADER} is too far from now")
    signatures = _required(given, SIGNATURE_HEADER).split()[:_MOST_SIGNATURES]
    expected = [signature(key, message_id, int(timestamp), body) for key in keys]
    if not any(hmac.compare_digest(each, one) for each in signatures for one in expected):
        raise WebhookVerificationError("no signature is right")
    try:
        message = json.loads(body)
    except ValueError as error:
        raise WebhookVerificationError("is no JSON") from error
    if not isinstance(message, dict):
        raise WebhookVerificationError("is no JSON object")
    return message


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value or not value.isascii():
        raise WebhookVerificationError(f"{name} is missing, or is none")
    return value
