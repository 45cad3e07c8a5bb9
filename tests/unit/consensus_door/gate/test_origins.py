"""Which `Host` and which `Origin` may come in."""

import pytest

from consensus_door.gate.origins import Origins

ORIGINS = Origins.of("Door.example, 127.0.0.1, [::1], exact.example:8443", "https://pages.example")

HOSTS = {
    "door.example": True,
    "DOOR.example:8080": True,
    "127.0.0.1:9": True,
    "[::1]:8080": True,
    "[::1]": True,
    "exact.example:8443": True,
    "exact.example": False,
    "exact.example:8444": False,
    "door.example.evil.example": False,
    "evil.example": False,
    "127.0.0.1.evil.example:8080": False,
    "[::2]": False,
    "[::1].evil.example": False,
    "": False,
}


@pytest.mark.parametrize(("host", "may"), HOSTS.items(), ids=HOSTS)
def test_by_which_name_it_may_be_called(host: str, may: bool) -> None:
    assert ORIGINS.allows_host(host) is may


PAGES = {
    "no browser": ({}, "POST", True),
    "its own": ({"origin": "https://door.example"}, "POST", True),
    "its own behind a proxy that ends TLS": ({"origin": "http://door.example"}, "POST", True),
    "an allowed one": ({"origin": "https://pages.example"}, "POST", True),
    "another scheme of an allowed one": ({"origin": "http://pages.example"}, "POST", False),
    "another port of its own": ({"origin": "https://door.example:1"}, "POST", False),
    "elsewhere": ({"origin": "https://evil.example"}, "GET", False),
    "a sandbox": ({"origin": "null"}, "POST", False),
    "no address": ({"origin": "http://[broken"}, "POST", False),
    "no origin, but elsewhere": ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, "GET", False),
    "a neighbour": ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, "GET", False),
    "a link from elsewhere": (
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        "GET",
        True,
    ),
    "a form from elsewhere": (
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        "POST",
        False,
    ),
}


@pytest.mark.parametrize(("headers", "method", "may"), PAGES.values(), ids=PAGES)
def test_which_page_may_send(headers: dict[str, str], method: str, may: bool) -> None:
    assert ORIGINS.allows_origin({"host": "door.example"} | headers, method) is may
