"""Who calls, as persistence is told."""

from consensus_rpc.channel.deadline import HasTimeRemaining
from consensus_rpc.server.identity import identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from review_service.record.gateway import Caller, Scope


def caller_of(context: HasTimeRemaining) -> Caller:
    """For whom a call is made, and until when; `context` is the servicer's."""
    who = identity_of(context)
    return Caller(Scope(tenant=who.tenant, caller=who.caller, request_id=current_request_id() or ""), context)
