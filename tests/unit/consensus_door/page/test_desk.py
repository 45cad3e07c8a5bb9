"""Where a form may lead, and what a form is."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from consensus_door.page.desk import form_of, is_secure, local
from consensus_rpc.errors import InvalidField

PLACES = {
    "/runs/1?state=failed": "/runs/1?state=failed",
    "": "/runs",
    "runs": "/runs",
    "https://evil.example/": "/runs",
    "//evil.example/": "/runs",
    "/\\evil.example/": "/runs",
    "/a\r\nset-cookie: a=b": "/runs",
    "/é": "/runs",
}


@pytest.mark.parametrize(("asked", "led"), PLACES.items(), ids=PLACES)
def test_nobody_is_led_elsewhere_after_signing_in(asked: str, led: str) -> None:
    assert local(asked) == led


def form(body: bytes, kind: str = "application/x-www-form-urlencoded") -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", kind.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def test_a_forms_lines_end_as_everywhere_else() -> None:
    assert await form_of(form(b"notes=a%0D%0Ab&empty=")) == {"notes": "a\nb", "empty": ""}


@pytest.mark.parametrize(
    "bad",
    [form(b"a=b", "text/plain"), form(b"a=%FF"), form(b"&".join(b"a=b" for _ in range(21))), form(b"\xff=a")],
    ids=["another type", "no text", "many fields", "no text as a name"],
)
async def test_what_is_no_form_of_ours(bad: Request) -> None:
    with pytest.raises(InvalidField):
        await form_of(bad)


@pytest.mark.parametrize(
    ("scheme", "origin", "is_it"),
    [("https", "", True), ("http", "https://door.example", True), ("http", "http://127.0.0.1", False)],
)
def test_behind_a_proxy_that_ends_tls_cookies_are_for_https_alone(
    scheme: str, origin: str, is_it: bool
) -> None:
    scope = {
        "type": "http", "method": "POST", "path": "/", "scheme": scheme, "query_string": b"",
        "server": ("localhost", 80), "headers": [(b"origin", origin.encode())] if origin else [],
    }  # fmt: skip
    assert is_secure(Request(scope)) is is_it
