"""Every method that the pair registers, called by everybody: who may is held against a table in a file."""

from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from consensus_rpc.channel.channels import open_channel
from consensus_rpc.channel.status import error_from_rpc
from tests.support.access import bearer
from tests.support.pair import Pair

TABLE = Path(__file__).with_name("matrix.txt")
ROLES = ("viewer", "submitter", "decider", "operator", "admin", "service")
CALLERS = ("none", *ROLES, "other")
DENIED = {"PERMISSION_DENIED": "-", "UNAUTHENTICATED": "?"}
# An unparsable field number: whoever may call is told INVALID_ARGUMENT, and nothing is executed.
HOSTILE = b"\x07\xff\xff"


async def registered(address: str, key: str) -> list[str]:
    """All methods of an address, as reflection tells: the services that are there, and their methods."""
    async with open_channel(address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub  # its types know blocking channels alone
        call = stub(channel).ServerReflectionInfo(metadata=bearer(key))
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        names = [each.name for each in (await call.read()).list_services_response.service]
        methods = []
        for name in names:
            await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name))
            for raw in (await call.read()).file_descriptor_response.file_descriptor_proto:
                file = FileDescriptorProto.FromString(raw)
                methods += [
                    f"{name}/{method.name}"
                    for service in file.service
                    if f"{file.package}.{service.name}" == name
                    for method in service.method
                ]
        await call.done_writing()
        return methods


async def outcome(channel: grpc.aio.Channel, method: str, key: str) -> str:
    """`+` for whoever comes as far as its request being read, `-` for denied, `?` for unknown."""
    try:
        call: Any = channel.unary_unary(f"/{method}")  # bytes as they are
        await call(HOSTILE, metadata=bearer(key), timeout=20)
    except grpc.aio.AioRpcError as error:
        return DENIED.get(error_from_rpc(error).reason_name, "+")
    return "+"


async def test_who_may_call_what_is_what_the_table_says(keyed: Pair, keys: dict[str, str]) -> None:
    rows = []
    for address in (keyed.review_address, keyed.persistence_address, keyed.internal_address):
        methods = await registered(address, keys["service"])
        async with open_channel(address) as channel:
            for method in sorted(methods):
                cells = [await outcome(channel, method, keys[caller]) for caller in CALLERS]
                rows.append(f"{method:<66} " + " ".join(f"{cell:^9}" for cell in cells).rstrip())
    head = f"{'method':<66} " + " ".join(f"{caller:^9}" for caller in CALLERS).rstrip()
    found = "\n".join([head, *sorted(set(rows))]) + "\n"
    print(found)
    assert found == TABLE.read_text("utf-8"), "the table in matrix.txt says otherwise"
