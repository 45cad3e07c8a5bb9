"""The journal of a tenant that has arrived, verified as an auditor does, before it is committed."""

from collections.abc import Sequence

from sqlalchemy import Connection

from consensus_journal import Checkpoint, Verification
from persistence_service.audit import payloads, repository
from persistence_service.moving.lines import BadExport

_STREAMS_AT_ONCE = 100


def verify_journal(connection: Connection, tenant: str, checkpoints: Sequence[Checkpoint]) -> None:
    """Goes through every stream, entry and payload, against the checkpoints of where it was.

    Raises:
        BadExport: something is missing or changed; names the first findings.
    """
    verification = Verification(checkpoints, concerns=lambda of_tenant, _: of_tenant == tenant)
    after = ""
    while streams := repository.streams(connection, tenant, after=after, limit=_STREAMS_AT_ONCE):
        after = streams[-1].stream
        for stream in payloads.with_stored(connection, streams):
            verification.check(stream.head, tenant, stream.stream, stream.entries, stream.stored)
    for stream in repository.headless_streams(connection, tenant):
        verification.check(stream.head, tenant, stream.stream, stream.entries, stream.stored)
    findings = verification.verdict().findings
    if findings:
        told = ", ".join(
            f"{each.stream} at {each.sequence}: {each.fault.name.lower()}" for each in findings[:5]
        )
        raise BadExport(f"its journal does not verify: {told}")
