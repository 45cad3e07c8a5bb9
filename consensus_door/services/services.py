"""The two channels, and calls on them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consensus.v1 import identity_service_pb2
from consensus_client.options import published_config
from consensus_door.config import DoorSettings
from consensus_door.metrics import DoorMetrics
from consensus_door.services.addresses import Method, Where, method_of
from consensus_door.services.calling import Credential, options_for
from consensus_door.services.tenant_ways import TenantWays
from consensus_rpc.channel.channels import ChannelOptions, ChannelTls, open_channel
from consensus_rpc.channel.status import contract_errors
from consensus_rpc.errors import ShuttingDown, Unauthenticated
from consensus_rpc.server.admission import Admission
from consensus_rpc.telemetry.certificates import CertificateTelemetry

_HEALTH_SECONDS = 2.0
_SERVING = "SERVING"
_HEALTH_PATH = "/grpc.health.v1.Health/Check"


@dataclass(slots=True)
class Services:
    """Where everything is asked; calls begin no new stream once `draining`."""

    review: grpc.aio.Channel
    persistence: TenantWays
    identified: frozenset[Where]
    """Where the door shows a certificate: a call without a credential would be made in that name."""
    streams: Admission
    draining: asyncio.Event
    call_seconds: float
    metrics: DoorMetrics

    @classmethod
    def open(cls, settings: DoorSettings, draining: asyncio.Event, metrics: DoorMetrics) -> Self:
        """Channels that connect when they are used.

        Raises:
            BadMaterial: a file of the settings cannot be used.
        """
        ways = {Where.REVIEW: settings.review_tls(), Where.PERSISTENCE: settings.persistence_tls()}
        to_persistence = _options(ways[Where.PERSISTENCE])
        return cls(
            review=open_channel(settings.door_review_address, _options(ways[Where.REVIEW])),
            persistence=TenantWays(settings.shard_map, lambda each: open_channel(each, to_persistence)),
            identified=frozenset(
                where for where, tls in ways.items() if tls is not None and tls.files.certificate
            ),
            streams=Admission(settings.door_max_streams),
            draining=draining,
            call_seconds=settings.door_call_seconds,
            metrics=metrics,
        )

    async def close(self) -> None:
        """Ends what is under way."""
        await self.persistence.close()
        await self.review.close()

    async def way(self, where: Where, credential: Credential) -> grpc.aio.Channel:
        """The channel to what the caller's tenant is served by.

        Raises:
            ConsensusError: the review service does not say whose the credential is.
        """
        if where is Where.REVIEW:
            return self.review
        return await self.persistence.of(credential, self._tenant)

    async def _tenant(self, credential: Credential) -> str:
        """The review service serves all tenants, and knows whose each credential is."""
        request = identity_service_pb2.WhoAmIRequest()
        method = method_of(request.DESCRIPTOR)
        self.check(Where.REVIEW, credential)
        answer: identity_service_pb2.WhoAmIResponse = await self._asked(
            self.review, method, request, credential
        )
        return answer.tenant

    def check(self, where: Where, credential: Credential) -> None:
        """Lets nobody call in the name of the door's own certificate.

        Raises:
            Unauthenticated: the caller has no credential, and the door would show one.
        """
        if where in self.identified and not credential.text:
            raise Unauthenticated

    async def ask(self, request: Message, credential: Credential) -> Any:
        """One question, such as a `GetRunRequest`, and its answer, a `GetRunResponse`.

        Raises:
            ConsensusError: what the service, or the way to it, says.
        """
        method = self._checked(request, credential)
        return await self._asked(await self.way(method.where, credential), method, request, credential)

    async def _asked(self, channel: Any, method: Method, request: Message, credential: Credential) -> Any:
        call = channel.unary_unary(
            method.path,
            request_serializer=type(request).SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        with contract_errors(), self.metrics.call(method.path):
            return await call(request, **options_for(credential, ceiling_seconds=self.call_seconds))

    async def follow(self, request: Message, credential: Credential) -> AsyncGenerator[Any]:
        """The messages of one stream.

        Raises:
            ConsensusError: as of `ask`; ShuttingDown where the door drains.
        """
        method = self._checked(request, credential)
        channel = await self.way(method.where, credential)
        stream: Any = channel.unary_stream(
            method.path,
            request_serializer=type(request).SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        call = stream(request, **options_for(credential))
        async with aclosing(self.until_drained(method.path, call)) as messages:
            while True:
                with contract_errors():
                    message = await anext(messages, None)
                if message is None:
                    return
                yield message

    def _checked(self, request: Message, credential: Credential) -> Method:
        method = method_of(request.DESCRIPTOR)
        self.check(method.where, credential)
        return method

    async def until_drained(self, path: str, call: Any) -> AsyncGenerator[Any]:
        """The messages of a call of this method that has begun, which takes a place among the streams.

        Raises:
            grpc.aio.AioRpcError: the call failed.
            Overloaded: there is no place.
            ShuttingDown: the door drains.
        """
        try:
            with self.metrics.refusals("streams"):
                self.streams.enter()
        except BaseException:
            call.cancel()
            raise
        with self.metrics.in_flight("streams_in_flight"), self.metrics.call(path):
            async with aclosing(self._messages(call)) as messages:
                async for message in messages:
                    yield message

    async def _messages(self, call: Any) -> AsyncGenerator[Any]:
        """Those of a call that has its place, which it gives back."""
        stopping = asyncio.ensure_future(self.draining.wait())
        try:
            while True:
                reading = asyncio.ensure_future(call.read())
                try:
                    await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    if not reading.done():
                        raise ShuttingDown
                    message = reading.result()
                finally:
                    reading.cancel()
                if message is grpc.aio.EOF:
                    return
                yield message
        finally:
            stopping.cancel()
            call.cancel()
            self.streams.leave()

    async def health(self, where: Where) -> str:
        """What a service says of itself: `SERVING`, `NOT_SERVING`, or the code of a failed call.

        Of several persistence services one that serves is enough: tenants at the others alone are harmed.
        """
        channels = [self.review] if where is Where.REVIEW else self.persistence.all()
        told = await asyncio.gather(*map(self._health_at, channels))
        return next((each for each in told if each == _SERVING), told[0])

    async def _health_at(self, channel: grpc.aio.Channel) -> str:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            with self.metrics.call(_HEALTH_PATH):
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _options(tls: ChannelTls | None) -> ChannelOptions:
    return ChannelOptions(published_config=published_config(), tls=tls, certificates=CertificateTelemetry())
