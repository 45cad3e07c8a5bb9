"""Calls that go on for long: who has lost its credential is let go, whatever goes wrong in between."""

import asyncio
from typing import Any

import pytest

from consensus_rpc.errors import CredentialEnded, Overloaded, Unauthenticated
from consensus_rpc.server.guard import OpenGuard
from consensus_rpc.server.identity import CredentialKind, Identity
from consensus_rpc.server.standing import StandingCalls

KEY = Identity(tenant="default", caller="billing", kind=CredentialKind.KEY, credential_id="0123456789abcdef")


class Guard(OpenGuard):
    """Says of a credential what it is told to, one after the other; the last again and again."""

    def __init__(self, *said: Exception | None) -> None:
        super().__init__()
        self._said = list(said)

    async def check_again(self, identity: Identity) -> None:
        said = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        if said is not None:
            raise said


@pytest.mark.parametrize(
    "said",
    [
        [CredentialEnded()],
        [Unauthenticated()],
        [None, CredentialEnded()],
        [Overloaded(subject="keys being looked up", limit=8), CredentialEnded()],
        [ValueError("nobody knows why"), CredentialEnded()],
    ],
    ids=["ended", "gone", "later", "not-told", "unexpected"],
)
async def test_a_stream_ends_once_its_credential_has(said: list[Any]) -> None:
    calls = StandingCalls(Guard(*said), every_seconds=0.001)
    async with asyncio.timeout(10):
        with pytest.raises(CredentialEnded):
            async with calls.of(KEY):
                await asyncio.Event().wait()
