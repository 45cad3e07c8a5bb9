"""Every service of the contract that callers reach here, and what serves it."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from consensus.internal.v1 import diagnostics_service_pb2_grpc
from consensus.v1 import (
    access_service_pb2_grpc,
    audit_service_pb2_grpc,
    decision_service_pb2_grpc,
    draft_service_pb2_grpc,
    event_service_pb2_grpc,
    idempotency_service_pb2_grpc,
    identity_service_pb2_grpc,
    metric_service_pb2_grpc,
    panel_service_pb2_grpc,
    policy_service_pb2_grpc,
    usage_service_pb2_grpc,
)
from consensus_rpc.access.policy import load_policy
from consensus_rpc.access.who_am_i import IDENTITY_SERVICE, IdentityServicer
from persistence_service.access.servicer import AccessServicer
from persistence_service.audit.checkpoints import Checkpointer
from persistence_service.audit.servicer import AuditServicer
from persistence_service.config import PersistenceSettings
from persistence_service.content.keyring import Keyring
from persistence_service.database import Database
from persistence_service.decisions.servicer import DecisionServicer
from persistence_service.diagnostics.servicer import DiagnosticsServicer
from persistence_service.drafts.repository import has_draft
from persistence_service.drafts.servicer import DraftServicer
from persistence_service.events.servicer import EventServicer
from persistence_service.idempotency.once import OncePerKey
from persistence_service.idempotency.servicer import IdempotencyServicer
from persistence_service.metrics.servicer import MetricServicer
from persistence_service.paging.tokens import Signing
from persistence_service.panels.servicer import PanelServicer
from persistence_service.policies.access import find_policy
from persistence_service.policies.servicer import PolicyServicer
from persistence_service.runs.access import RunAccess
from persistence_service.runs.decided import DecidedRuns
from persistence_service.usage.servicer import UsageServicer

SERVICES = (
    IDENTITY_SERVICE,
    "consensus.v1.AccessService",
    "consensus.v1.IdempotencyService",
    "consensus.v1.AuditService",
    "consensus.v1.DraftService",
    "consensus.v1.EventService",
    "consensus.v1.MetricService",
    "consensus.v1.PanelService",
    "consensus.v1.PolicyService",
    "consensus.v1.DecisionService",
    "consensus.v1.UsageService",
    "consensus.internal.v1.DiagnosticsService",
)


@dataclass(frozen=True, slots=True)
class Shared:
    """What several servicers are made of."""

    database: Database
    signing: Signing
    once: OncePerKey
    keyring: Keyring
    runs: RunAccess
    checkpointer: Checkpointer | None


def register(server: Any, settings: PersistenceSettings, shared: Shared, drafts: DraftServicer) -> None:
    """Has a gRPC server serve all of `SERVICES`."""
    database, signing, once = shared.database, shared.signing, shared.once
    access = AccessServicer(database, signing, once, load_policy(settings.access_policy))
    audit = AuditServicer(database, signing, shared.checkpointer)
    events = EventServicer(database, signing, once, has_draft=has_draft)
    decisions = DecisionServicer(
        database,
        signing,
        once,
        runs=DecidedRuns(shared.runs.reader),
        find_policy=partial(find_policy, database),
    )
    identity_service_pb2_grpc.add_IdentityServiceServicer_to_server(IdentityServicer(), server)
    access_service_pb2_grpc.add_AccessServiceServicer_to_server(access, server)
    idempotency_service_pb2_grpc.add_IdempotencyServiceServicer_to_server(
        IdempotencyServicer(database), server
    )
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(audit, server)
    draft_service_pb2_grpc.add_DraftServiceServicer_to_server(drafts, server)
    event_service_pb2_grpc.add_EventServiceServicer_to_server(events, server)
    metric_service_pb2_grpc.add_MetricServiceServicer_to_server(
        MetricServicer(database, signing, once), server
    )
    panel_service_pb2_grpc.add_PanelServiceServicer_to_server(PanelServicer(database, signing, once), server)
    policy_service_pb2_grpc.add_PolicyServiceServicer_to_server(
        PolicyServicer(database, signing, once), server
    )
    decision_service_pb2_grpc.add_DecisionServiceServicer_to_server(decisions, server)
    usage_service_pb2_grpc.add_UsageServiceServicer_to_server(UsageServicer(database, signing), server)
    diagnostics_service_pb2_grpc.add_DiagnosticsServiceServicer_to_server(
        DiagnosticsServicer(database, shared.keyring), server
    )
