"""To whom a lease is bound."""

from types import SimpleNamespace
from typing import Any

from persistence_service.runs.lease_holder import lease_holder

TOKEN = "host:17:0123456789ab"


def holder(uri: str, token: str = TOKEN) -> str:
    context: Any = SimpleNamespace(auth_context=lambda: {"peer_uri": [uri.encode()]} if uri else {})
    return lease_holder(context, token)


def test_without_a_certificate_it_is_the_processs_own_word() -> None:
    assert holder("") == TOKEN


def test_with_one_it_is_both_and_no_token_makes_it_anothers() -> None:
    assert holder("spiffe://x/review") == f"spiffe://x/review {TOKEN}"
    assert holder("spiffe://x/a", f"spiffe://x/review {TOKEN}") != holder("spiffe://x/review")


def test_however_long_both_are_it_fits_and_differs() -> None:
    long = "spiffe://x/" + "y" * 2000
    found = {holder(long), holder(f"{long}z"), holder(long, "t" * 255), holder("spiffe://x/y", "t" * 255)}
    found.add(holder("spiffe://x/y", "t" * 254))
    assert len(found) == 5
    assert max(map(len, found)) <= 255
