"""What failed calls to the persistence service mean here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from consensus.internal.v1 import persistence_service_pb2
from consensus_contract.errors import (
    ConsensusError,
    DatabaseUnavailable,
    LockTimeout,
    PersistenceUnavailable,
    PolicyUnknown,
    SpendCapReached,
    TenantElsewhere,
    TenantFrozen,
)
from consensus_rpc.backoff import Backoff
from consensus_rpc.channel.status import error_from_rpc
from consensus_rpc.errors import (
    CallDeadlineExceeded,
    CredentialEnded,
    CredentialExposed,
    MessageTooLarge,
    Overloaded,
    PermissionDenied,
    ShuttingDown,
    Unauthenticated,
)
from consensus_rpc.telemetry.log import get_logger

_log = get_logger()

# What may be different a moment later, on a new connection: nothing is known to be wrong with the run.
_PASSING = (
    DatabaseUnavailable,
    LockTimeout,
    Overloaded,
    PersistenceUnavailable,
    PolicyUnknown,  # of a persistence that is older than this service, until it is replaced
    ShuttingDown,
    TenantElsewhere,  # until the map leads where it has arrived
    TenantFrozen,
)
_REFUSALS_OF_US = (Unauthenticated, CredentialEnded, CredentialExposed, PermissionDenied)
_OURS = (CallDeadlineExceeded, MessageTooLarge)

RECONNECTING = Backoff(first_seconds=0.05, ceiling_seconds=1.0)
"""The waits between streams to the persistence service that are cut one after the other."""


def is_passing(error: ConsensusError) -> bool:
    """Whether the same may succeed a moment later on a new connection."""
    return isinstance(error, _PASSING)


def spend_refusal(refused: persistence_service_pb2.RefusedAttempt) -> SpendCapReached:
    """The answer to a call of which only this was written: that no model may be asked for it."""
    reset = refused.reset_time if refused.HasField("reset_time") else None
    return SpendCapReached.refusal(
        refused.message,
        cap=refused.cap,
        metadata={} if reset is None else {"reset_time": reset.ToJsonString()},
        retry_after_seconds=None if reset is None else max(1.0, reset.ToSeconds() - time.time()),
    )


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
        if isinstance(known, _REFUSALS_OF_US):  # the caller's credential was taken: it is not at fault
            _log.error("persistence_refuses_this_service", reason=known.reason_name)
            known = PersistenceUnavailable()
        if known.request_id is None and not isinstance(known, _OURS):
            known = PersistenceUnavailable()
        raise known from error
