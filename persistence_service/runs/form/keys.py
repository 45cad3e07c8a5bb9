"""What names a run, for whom something is done to it, and where it stands. Pure."""

from dataclasses import dataclass
from typing import TypeAlias

from consensus.internal.v1 import persistence_service_pb2
from persistence_service.idempotency.keys import REVISE, START, SUBMIT, KeyScope, KeyUse

RunKey: TypeAlias = tuple[str, str]
"""Tenant and run id."""


KeyedRunRequest: TypeAlias = (
    persistence_service_pb2.CreateRunRequest
    | persistence_service_pb2.CancelRunRequest
    | persistence_service_pb2.ResumeRunRequest
    | persistence_service_pb2.DeleteRunRequest
    | persistence_service_pb2.UndeleteRunRequest
    | persistence_service_pb2.AnnotateDecisionRequest
)


@dataclass(frozen=True, slots=True)
class RunScope:
    """For whom an operation is made."""

    tenant: str
    caller: str
    request_id: str


@dataclass(frozen=True, slots=True)
class RunHead:
    """Where a run stands: what watchers and owners are woken with."""

    tenant: str
    run_id: str
    last_sequence: int
    state: str
    fencing_token: int

    @property
    def key(self) -> RunKey:
        """What `Notifier` finds the followers by."""
        return (self.tenant, self.run_id)

    @property
    def version(self) -> tuple[int, int]:
        """Token and sequence, which only rise."""
        return (self.fencing_token, self.last_sequence)


def scope_of(scope: persistence_service_pb2.CallScope) -> RunScope:
    """Whom a call names."""
    return RunScope(scope.tenant, scope.caller, scope.request_id)


def run_key_use(
    scope: persistence_service_pb2.CallScope,
    operation: str,
    claim: persistence_service_pb2.IdempotencyClaim,
    *,
    resource: str,
    run_id: str = "",
) -> KeyUse:
    """The use of a caller's key; `resource` is what is addressed, empty for starts."""
    key = KeyScope(scope.tenant, scope.caller, operation, resource, claim.key)
    return KeyUse(key, claim.fingerprint, run_id)


def key_use_of(request: KeyedRunRequest, operation: str, resource: str | None = None) -> KeyUse | None:
    """The use that a request makes of its own key; `resource` is the run unless it is given."""
    if not request.HasField("idempotency"):
        return None
    resource = request.run_id if resource is None else resource
    return run_key_use(
        request.scope, operation, request.idempotency, resource=resource, run_id=request.run_id
    )


def creation_key_use(request: persistence_service_pb2.CreateRunRequest) -> KeyUse | None:
    """A revision's key belongs to its parent, a draft's to the draft; any other's to nothing."""
    specification = request.specification
    if parent_run_id := specification.revision.parent_run_id:
        return key_use_of(request, REVISE, parent_run_id)
    if specification.draft_id:
        return key_use_of(request, SUBMIT, specification.draft_id)
    return key_use_of(request, START, "")


def panel_key_use(request: persistence_service_pb2.GetPanelRequest) -> KeyUse | None:
    """The key of the request that names the panel, as `creation_key_use` has it."""
    if not request.HasField("idempotency"):
        return None
    parent = request.parent_run_id
    operation = REVISE if parent else START
    return run_key_use(request.scope, operation, request.idempotency, resource=parent, run_id="")
