"""Calls to the persistence service: the stub's type, and what their errors mean here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import grpc

from consensus_contract.errors import ConsensusError, DatabaseUnavailable, LockTimeout, PersistenceUnavailable
from consensus_rpc.channel.status import error_from_rpc
from consensus_rpc.errors import CallDeadlineExceeded, MessageTooLarge, Overloaded, ShuttingDown

if TYPE_CHECKING:
    from consensus.v1 import persistence_service_pb2_grpc

# In the stubs for type checkers only.
Stub: TypeAlias = "persistence_service_pb2_grpc.PersistenceServiceAsyncStub"

# What may be different a moment later, on a new connection: nothing is known to be wrong with the run.
_PASSING = (DatabaseUnavailable, LockTimeout, Overloaded, PersistenceUnavailable, ShuttingDown)
_OURS = (CallDeadlineExceeded, MessageTooLarge)


def is_passing(error: ConsensusError) -> bool:
    """Whether the same may succeed a moment later on a new connection."""
    return isinstance(error, _PASSING)


@contextmanager
def persistence_errors() -> Iterator[None]:
    """Turns calls that fail inside the block into errors of the contract.

    An error without a request id was made on the way and not by the service, whatever gRPC calls it: a
    broken connection may be UNAVAILABLE, CANCELLED, UNKNOWN, or INTERNAL ("Internal error from Core").
    """
    try:
        yield
    except grpc.RpcError as error:
        known = error_from_rpc(error)
        if known.request_id is None and not isinstance(known, _OURS):
            known = PersistenceUnavailable()
        raise known from error
