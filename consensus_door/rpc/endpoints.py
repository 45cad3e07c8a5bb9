"""An endpoint for every public RPC, made from its descriptor; what it takes goes on to the service."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message_factory import GetMessageClass

from consensus_contract.errors import ConsensusError
from consensus_door.rpc.failures import of_error, of_rpc
from consensus_door.rpc.packed import CODECS, Packed, from_binary, to_binary
from consensus_door.services.addresses import Where, public_services
from consensus_door.services.calling import Credential, options_for
from consensus_door.services.services import Services

Context = RequestContext[Packed, Packed]

RUN_ID_KEY = "x-run-id"


class RpcApplication(ConnectASGIApplication[Services]):
    """The ASGI application of all RPCs: `POST /consensus.v1.ReviewService/GetRun`."""

    @property
    def path(self) -> str:
        """Services stand at the root."""
        return "/"


def rpc_application(services: Services, max_body_bytes: int) -> RpcApplication:
    """All public RPCs, forwarded over these channels. Compressed requests are refused."""
    return RpcApplication(
        service=services,
        endpoints=endpoints,
        read_max_bytes=max_body_bytes,
        compressions=(),
        codecs=CODECS,
    )


def endpoints(services: Services) -> Mapping[str, Any]:
    """By path."""
    return {
        f"/{service.full_name}/{method.name}": _endpoint(Forwarded(services, where, method))
        for where, service in public_services()
        for method in service.methods
    }


@dataclass(frozen=True, slots=True)
class Forwarded:
    """One RPC, forwarded."""

    services: Services
    where: Where
    method: MethodDescriptor

    @property
    def path(self) -> str:
        """As gRPC names it too."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    async def answer(self, packed: Packed, context: Context) -> Packed:
        """One answer.

        Raises:
            ConnectError: what the service, or the door, refuses it with.
        """
        try:
            raw = await to_binary(packed, GetMessageClass(self.method.input_type))
            credential = self._credential(context)
            channel: Any = await self.services.way(self.where, credential)
            call = channel.unary_unary(self.path)(
                raw,
                **options_for(credential, _seconds_left(context), ceiling_seconds=self.services.call_seconds),
            )
            with self.services.metrics.call(self.path):
                answered = await call
            _tell(context, await call.initial_metadata())
            return await from_binary(answered, packed.form, GetMessageClass(self.method.output_type))
        except ConsensusError as error:
            raise of_error(error) from None
        except grpc.aio.AioRpcError as error:
            raise of_rpc(error) from None

    async def answers(self, packed: Packed, context: Context) -> AsyncGenerator[Packed]:
        """A stream of them.

        Raises:
            ConnectError: likewise.
        """
        kind = GetMessageClass(self.method.output_type)
        try:
            raw = await to_binary(packed, GetMessageClass(self.method.input_type))
            credential = self._credential(context)
            channel: Any = await self.services.way(self.where, credential)
            call = channel.unary_stream(self.path)(raw, **options_for(credential, _seconds_left(context)))
            is_first = True
            async with aclosing(self.services.until_drained(self.path, call)) as messages:
                async for message in messages:
                    if is_first:
                        is_first = False
                        _tell(context, await call.initial_metadata())
                    yield await from_binary(message, packed.form, kind)
        except ConsensusError as error:
            raise of_error(error) from None
        except grpc.aio.AioRpcError as error:
            raise of_rpc(error) from None

    def _credential(self, context: Context) -> Credential:
        credential = Credential.of(context.request_headers)
        self.services.check(self.where, credential)
        return credential


def _endpoint(forwarded: Forwarded) -> Any:
    method = forwarded.method
    if method.client_streaming:
        raise TypeError(f"{method.full_name} takes a stream, which browsers cannot send")
    has_no_effect = method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    info = MethodInfo(
        name=method.name,
        service_name=method.containing_service.full_name,
        input=Packed,
        output=Packed,
        idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS if has_no_effect else IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.SERVER_STREAM if method.server_streaming else StreamType.UNARY,
    )
    if method.server_streaming:
        return Endpoint.server_stream(info, forwarded.answers)
    return Endpoint.unary(info, forwarded.answer)


def _seconds_left(context: Context) -> float | None:
    return None if context.timeout_ms is None else context.timeout_ms / 1000


def _tell(context: Context, metadata: Any) -> None:
    """Of what the service says beside its answer the caller learns the run that began."""
    for key, value in metadata or ():
        if key == RUN_ID_KEY and isinstance(value, str):
            context.response_headers[RUN_ID_KEY] = value
