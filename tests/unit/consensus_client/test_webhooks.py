"""A receiver believes a webhook that was signed for it, whole and not long ago, and no other."""

from typing import Any

import pytest

from consensus_client import WebhookVerificationError, verify_webhook
from consensus_contract.webhooks import new_secret, secrets_of, signature

# Published with Standard Webhooks, in its libraries' tests.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
NOW = 1614265330
HEADERS = {
    "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "Webhook-Timestamp": str(NOW),
    "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
OTHER = new_secret()


def verified(*, secret: str = SECRET, body: bytes = BODY, now: float = NOW, **changed: str) -> dict[str, Any]:
    headers = HEADERS | {name.replace("_", "-"): value for name, value in changed.items()}
    return verify_webhook(secret, headers, body, now=now)


def test_the_published_example_is_believed() -> None:
    assert verified() == {"test": 2432232314}


def test_while_a_secret_takes_the_place_of_another_either_is_right() -> None:
    assert verified(secret=f"{OTHER} {SECRET}")
    both = f"v1,AAAA v9,what {HEADERS['Webhook-Signature']}"
    assert verified(Webhook_Signature=both)


@pytest.mark.parametrize("seconds", [-299, 299])
def test_clocks_may_differ_by_five_minutes(seconds: int) -> None:
    assert verified(now=NOW + seconds)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"secret": OTHER}, id="another secret"),
        pytest.param({"body": b'{"test": 2432232315}'}, id="another body"),
        pytest.param({"Webhook_Id": "msg_other"}, id="another id"),
        pytest.param({"Webhook_Timestamp": str(NOW + 1)}, id="another time"),
        pytest.param({"Webhook_Timestamp": "1_614"}, id="no time"),
        pytest.param({"Webhook_Timestamp": "9" * 5000}, id="a long time"),
        pytest.param({"Webhook_Id": ""}, id="no id"),
        pytest.param({"Webhook_Signature": ""}, id="no signature"),
        pytest.param({"Webhook_Signature": "v1,"}, id="an empty signature"),
        pytest.param({"Webhook_Signature": "v1,\udcff"}, id="a signature beyond ASCII"),
        pytest.param(
            {"Webhook_Signature": HEADERS["Webhook-Signature"].replace("v1,", "v1a,")}, id="another version"
        ),
        pytest.param({"now": NOW + 301}, id="too old"),
        pytest.param({"now": NOW - 301}, id="too new"),
    ],
)
def test_another_is_not(changed: dict[str, Any]) -> None:
    with pytest.raises(WebhookVerificationError):
        verified(**changed)


@pytest.mark.parametrize("body", [b"\xff", b"[]", b"1"])
def test_what_is_signed_and_no_message_is_not(body: bytes) -> None:
    (secret,) = secrets_of(SECRET)
    signed = signature(secret, HEADERS["Webhook-Id"], NOW, body)
    with pytest.raises(WebhookVerificationError, match="JSON"):
        verified(body=body, Webhook_Signature=signed)


@pytest.mark.parametrize(
    "text", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_not-base64"]
)
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"secret|begin|bytes|base64") as refusal:
        secrets_of(text)
    assert not text or text not in str(refusal.value)
