"""What reaches a service of a request: the caller's credential, over TLS where the settings say so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from consensus.v1 import review_service_pb2
from consensus_door.config import DoorSettings
from consensus_door.metrics import DoorMetrics
from consensus_door.services.calling import Credential
from consensus_door.services.services import Services
from consensus_rpc.errors import (
    CallDeadlineExceeded,
    Overloaded,
    ServerUnreachable,
    ShuttingDown,
    Unauthenticated,
)
from consensus_rpc.server.admission import Admission
from tests.support.tls import Pki

Context = grpc.aio.ServicerContext[bytes, bytes]

KEY = Credential("Bearer ck_fake_fake")


class Stand:
    """A stand-in for a service, which notes what calls carry."""

    def __init__(self) -> None:
        self.carried: list[dict[str, str | bytes]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, request: bytes, context: Context) -> bytes:
        self.carried.append(dict(context.invocation_metadata() or ()))
        await self.may_answer.wait()
        return b""

    async def stream(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        yield b""
        yield b""
        await asyncio.Event().wait()  # a stream that has ended is ended by nobody else


@asynccontextmanager
async def standing(stand: Stand, pki: Pki | None = None) -> AsyncIterator[str]:
    """Its address."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "consensus.v1.ReviewService",
                {
                    "GetServiceInfo": grpc.unary_unary_rpc_method_handler(stand.answer),
                    "WatchRun": grpc.unary_stream_rpc_method_handler(stand.stream),
                },
            ),
        )
    )
    if pki is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        certificate = pki.server()
        credentials = grpc.ssl_server_credentials(
            [(certificate.with_suffix(".key").read_bytes(), certificate.read_bytes())]
        )
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def services_at(
    address: str, draining: Admission | None = None, **more: object
) -> AsyncIterator[Services]:
    settings = DoorSettings.load(
        _env_file=None, door_review_address=address, door_persistence_address=address, **more
    )
    services = Services.open(settings, (draining or Admission(1)).draining, DoorMetrics(CollectorRegistry()))
    try:
        yield services
    finally:
        await services.close()


async def ask(services: Services, credential: Credential) -> None:
    await services.ask(review_service_pb2.GetServiceInfoRequest(), credential)


async def test_a_call_carries_the_callers_credential_and_none_of_the_doors() -> None:
    stand = Stand()
    async with standing(stand) as address, services_at(address) as services:
        await ask(services, KEY)
        await ask(services, Credential())
    first, second = stand.carried
    assert first["authorization"] == KEY.text
    assert "authorization" not in second
    assert set(first) - {"authorization"} == set(second)


async def test_a_call_that_answers_once_may_take_so_long() -> None:
    stand = Stand()
    stand.may_answer.clear()
    async with standing(stand) as address, services_at(address) as services:
        services.call_seconds = 0.2
        with pytest.raises(CallDeadlineExceeded):
            await ask(services, KEY)
        stand.may_answer.set()


async def test_over_tls_the_service_is_believed_by_its_authority_alone(tmp_path: Path) -> None:
    pki, other = Pki(tmp_path / "ours"), Pki(tmp_path / "another")
    stand = Stand()
    async with standing(stand, pki) as address:
        async with services_at(
            address,
            door_review_address_authority_file=pki.trusted,
            door_persistence_address_authority_file=pki.trusted,
        ) as services:
            await ask(services, KEY)
        async with services_at(
            address,
            door_review_address_authority_file=other.trusted,
            door_persistence_address_authority_file=other.trusted,
        ) as services:
            with pytest.raises(ServerUnreachable):
                await ask(services, KEY)
    assert len(stand.carried) == 1


async def test_nobody_calls_in_the_name_of_the_doors_certificate(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    shown = pki.client("door")
    stand = Stand()
    async with (
        standing(stand, pki) as address,
        services_at(
            address,
            door_review_address_authority_file=pki.trusted,
            door_review_address_certificate_file=shown,
            door_review_address_key_file=shown.with_suffix(".key"),
            door_persistence_address_authority_file=pki.trusted,
        ) as services,
    ):
        with pytest.raises(Unauthenticated):
            await ask(services, Credential())
        await ask(services, KEY)
    assert len(stand.carried) == 1


async def test_streams_have_so_many_places_and_end_when_the_door_drains() -> None:
    draining = Admission(1)
    async with (
        standing(Stand()) as address,
        services_at(address, draining, door_max_streams=1) as services,
    ):

        def follow() -> AsyncIterator[review_service_pb2.WatchRunResponse]:
            return services.follow(review_service_pb2.WatchRunRequest(), KEY)

        first = follow()
        await anext(first)
        with pytest.raises(Overloaded):
            await anext(follow())
        draining.drain()
        with pytest.raises(ShuttingDown):
            [each async for each in first]
