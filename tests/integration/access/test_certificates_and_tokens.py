"""Certificates and an issuer's tokens, as a running pair meets them."""

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from consensus.internal.v1 import persistence_service_pb2, persistence_service_pb2_grpc
from consensus.v1 import draft_service_pb2, draft_service_pb2_grpc
from consensus_client import ClientOptions, IdentityClient, ReviewClient
from consensus_contract.errors import ConsensusError
from consensus_rpc.channel.bearer import Bearer
from consensus_rpc.channel.channels import ChannelOptions, open_channel
from consensus_rpc.channel.status import contract_errors
from tests.support.access import bearer
from tests.support.issuer import Issuer
from tests.support.pair import Pair, running_pair
from tests.support.tls import EXPIRED, Pki, pair_settings

IDEA = "A rota lets two wards swap shifts on one page, and it is done when a swap takes under a minute."
SCOPE = persistence_service_pb2.CallScope(tenant="default", caller="anonymous", request_id="r-1")
REVIEW = "spiffe://consensus/review"
SPAN_SECONDS = 8
"""For how long the token is valid whose stream ends."""


async def reason(call: Awaitable[Any]) -> str:
    """Why a call is refused."""
    try:
        with contract_errors():
            await call
    except ConsensusError as error:
        return error.reason_name or error.status_code.name
    return "OK"


def certificates(pki: Pki, folder: Path) -> dict[str, tuple[Path | None, str]]:
    """What is shown to the address of review services, and what comes of it."""
    other = Pki(folder / "other")
    return {
        "the review service's": (pki.client("review-too", uris=(REVIEW,)), "RUN_NOT_FOUND"),
        "none": (None, "UNAVAILABLE"),
        "expired": (pki.client("expired", uris=(REVIEW,), lifetime=EXPIRED), "UNAVAILABLE"),
        "another authority's": (other.client("review", uris=(REVIEW,)), "UNAVAILABLE"),
        "another service's": (pki.client("persistence-too", uris=("spiffe://consensus/persistence",)),
                              "UNAUTHENTICATED"),
        "a host's": (pki.client("host", dns=("review",)), "UNAUTHENTICATED"),
        "the name as common name alone": (pki.client("common", common_name=REVIEW), "UNAUTHENTICATED"),
        "two names": (pki.client("two", uris=(REVIEW, "spiffe://consensus/other")), "UNAUTHENTICATED"),
    }  # fmt: skip


def tokens(issuer: Issuer) -> dict[str, tuple[str, str]]:
    """What is brought as a token, and what comes of it."""
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    refused = "UNAUTHENTICATED"
    return {
        "valid": (issuer.token(), "OK"),
        "among other audiences": (issuer.token(aud=["other", "consensus"]), "OK"),
        "unsigned": (issuer.token(key="", algorithm="none"), refused),
        "signed by a shared secret": (issuer.token(key="s" * 32, algorithm="HS256"), refused),
        "signed in another way": (issuer.token(algorithm="RS512"), refused),
        "signed by a stranger": (issuer.token(key=stranger), refused),
        "for others": (issuer.token(aud="other"), refused),
        "of another issuer": (issuer.token(iss="https://elsewhere.example"), refused),
        "of nobody": (issuer.token(sub=None), refused),
        "of no tenant": (issuer.token(tenant=None), refused),
        "without an end": (issuer.token(exp=None), refused),
        "expired": (issuer.token(exp=int(time.time()) - 60), "CREDENTIAL_ENDED"),
        "no token": ("a.b.c", refused),
    }


class Callers:
    """Whoever calls the pair, with a certificate or with a token."""

    def __init__(self, pair: Pair, pki: Pki) -> None:
        self.pair, self.pki = pair, pki

    async def internally(self, certificate: Path | None, server_name: str = "") -> str:
        """What comes of a call to what only review services use."""
        # Not by a channel of ours, which would not show what has expired.
        shown = (
            [path.read_bytes() for path in (certificate.with_suffix(".key"), certificate)]
            if certificate
            else []
        )
        credentials = grpc.ssl_channel_credentials(self.pki.trusted.read_bytes(), *shown)
        named = [("grpc.ssl_target_name_override", server_name)] if server_name else []
        async with grpc.aio.secure_channel(self.pair.internal_address, credentials, named) as channel:
            stub: Any = persistence_service_pb2_grpc.PersistenceServiceStub(channel)
            request = persistence_service_pb2.GetRunRequest(scope=SCOPE, run_id="never-was")
            return await reason(stub.GetRun(request, timeout=10))

    async def by_token(self, address: str, token: str) -> str:
        """What comes of asking who calls."""
        async with IdentityClient(address, self.options(token)) as client:
            return await reason(client.who_am_i())

    def options(self, token: str) -> ClientOptions:
        return ClientOptions(channel=ChannelOptions(tls=self.pki.channel_tls()), bearer=Bearer(token))

    async def watched(self, token: str) -> tuple[str, float]:
        """Why a stream ended that nothing happens on, and when."""
        options = ChannelOptions(tls=self.pki.channel_tls())
        async with open_channel(self.pair.persistence_address, options) as channel:
            stub: Any = draft_service_pb2_grpc.DraftServiceStub(channel)
            create = draft_service_pb2.CreateDraftRequest(user="ann", title="watched")
            draft = (await stub.CreateDraft(create, metadata=bearer(token), timeout=10)).draft
            watch = draft_service_pb2.WatchDraftRequest(draft_id=draft.draft_id)
            call = stub.WatchDraft(watch, metadata=bearer(token))

            async def read() -> None:
                _ = [each async for each in call]

            return await reason(read()), time.time()


async def test_whom_a_running_pair_believes(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """One pair for all of it. The review service has no key: its certificate says who it is."""
    pki, issuer = Pki(tmp_path / "pki"), Issuer(tmp_path)
    asks = issuer.settings() | {"AUTHENTICATION": "jwt"}
    review, persistence = (each | asks for each in pair_settings(pki))
    url = f"sqlite:///{tmp_path / 'consensus.db'}"
    tls = pki.channel_tls(pki.client("tests"))
    with running_pair(tmp_path, url, review=review, persistence=persistence, tls=tls) as pair:
        callers = Callers(pair, pki)
        ends = int(time.time()) + SPAN_SECONDS
        watching = asyncio.create_task(callers.watched(issuer.token(roles=["submitter"], exp=ends)))
        for name, (certificate, wanted) in certificates(pki, tmp_path).items():
            with subtests.test(f"certificate: {name}"):
                assert await callers.internally(certificate) == wanted
        with subtests.test("a server that has another name"):
            mine = pki.client("review-again", uris=(REVIEW,))
            assert await callers.internally(mine, "elsewhere") == "UNAVAILABLE"
        for name, (token, wanted) in tokens(issuer).items():
            for address in (pair.review_address, pair.persistence_address):
                with subtests.test(f"token: {name}", address=address):
                    assert await callers.by_token(address, token) == wanted
        with subtests.test("a whole review"):
            token = issuer.token(roles=["submitter"], sub="billing")
            async with ReviewClient(pair.review_address, callers.options(token)) as client:
                events = [event async for event in client.review(IDEA)]
                assert (await client.get_run(events[-1].run_id)).caller == "billing"
        with subtests.test("a token that expires while its stream is open"):
            why, when = await watching
            assert (why, when >= ends) == ("CREDENTIAL_ENDED", True)
