"""An export is the trail to whoever verifies it, and harmless on a terminal."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from consensus.v1 import audit_service_pb2, audit_service_pb2_grpc
from consensus_client.audit_trail import export_line
from consensus_contract.characters import is_invisible
from consensus_journal import entry_from_plain, entry_hash, verify_export
from tests.unit.consensus_cli.conftest import Command

HOSTILE = "a\x1b]52;c;QUJD\x07\x9b31m\u202eb\u3164\U000e0101"
Unimplemented: Any = audit_service_pb2_grpc.AuditServiceServicer


class OneEntry(Unimplemented):  # type: ignore[misc]  # what no test here calls stays unimplemented
    """A trail of one entry, of a time when such users were taken."""

    async def ExportAudit(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - the RPC's name
        entry = audit_service_pb2.AuditEntry(
            tenant="default", stream="runs/r", sequence=1, event_type="run.created", user=HOSTILE
        )
        entry.previous_hash = bytes(32)
        sent = audit_service_pb2.ExportAuditResponse(entry=entry)
        plain: Any = export_line(sent)["entry"]
        head = audit_service_pb2.StreamHead(
            tenant="default", stream="runs/r", sequence=1, hash=entry_hash(entry_from_plain(plain))
        )
        yield audit_service_pb2.ExportAuditResponse(head=head)
        yield sent


async def test_what_is_printed_is_harmless_and_verifies(command: Command) -> None:
    server = grpc.aio.server()
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(OneEntry(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        ended = await command("audit", "export", "--persistence", address)
    finally:
        await server.stop(None)
    assert ended.code == 0
    assert not any(is_invisible(char) for char in ended.out.replace("\n", ""))
    verdict = verify_export(lambda: ended.out.splitlines(), ())
    assert (verdict.entry_count, list(verdict.findings)) == (1, [])


@pytest.mark.parametrize("key", ["00", "ab" * 33, "not hexadecimal"])
async def test_a_key_that_cannot_be_one_is_refused_before_anybody_is_asked(
    command: Command, key: str
) -> None:
    ended = await command("audit", "verify", "--public-key", key, "--persistence", "127.0.0.1:9")
    assert ended.code == 2
    assert "--public-key" in ended.err
