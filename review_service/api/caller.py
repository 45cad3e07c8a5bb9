"""Who calls, as persistence is told."""

from consensus_rpc.channel.deadline import HasTimeRemaining
from consensus_rpc.errors import UserNotAllowed
from consensus_rpc.server.identity import identity_of
from consensus_rpc.telemetry.request_id import current_request_id
from review_service.record.gateway import Caller, PersistenceGateway, Scope


def caller_of(context: HasTimeRemaining) -> Caller:
    """For whom a call is made, and until when; `context` is the servicer's."""
    who = identity_of(context)
    return Caller(Scope(tenant=who.tenant, caller=who.caller, request_id=current_request_id() or ""), context)


async def caller_for_run(context: HasTimeRemaining, gateway: PersistenceGateway, run_id: str) -> Caller:
    """As `caller_of`, for a change that names a run alone: it is for the user for whom the run was started.

    That user never changes, so it may be looked at before the change.

    Raises:
        UserNotAllowed: the credential may not act for that user.
        RunNotFound: it may not act for everybody, and the tenant has no such run.
    """
    caller, users = caller_of(context), identity_of(context).users
    if not users.is_anybody:
        run = await gateway.get_run(caller, run_id, show_deleted=True)
        if not users.allows(run.specification.user):
            raise UserNotAllowed(field="run_id")
    return caller
