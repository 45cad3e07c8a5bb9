"""Clients of the services in Python, asynchronous and synchronous; no part of the command."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consensus_client._async.access_client import AccessClient, IdentityClient
    from consensus_client._async.audit_client import AuditClient
    from consensus_client._async.decision_client import DecisionClient
    from consensus_client._async.draft_client import DraftClient
    from consensus_client._async.event_client import EventClient
    from consensus_client._async.metric_client import MetricClient
    from consensus_client._async.panel_client import PanelClient
    from consensus_client._async.policy_client import PolicyClient
    from consensus_client._async.review_client import ReviewClient
    from consensus_client._async.usage_client import UsageClient
    from consensus_client._sync.access_client import SyncAccessClient, SyncIdentityClient
    from consensus_client._sync.audit_client import SyncAuditClient
    from consensus_client._sync.decision_client import SyncDecisionClient
    from consensus_client._sync.draft_client import SyncDraftClient
    from consensus_client._sync.event_client import SyncEventClient
    from consensus_client._sync.metric_client import SyncMetricClient
    from consensus_client._sync.panel_client import SyncPanelClient
    from consensus_client._sync.policy_client import SyncPolicyClient
    from consensus_client._sync.review_client import SyncReviewClient
    from consensus_client._sync.usage_client import SyncUsageClient
    from consensus_client.effective import effective_label
    from consensus_client.options import ClientOptions
    from consensus_client.reconnecting import ReconnectPolicy
    from consensus_client.requests import ReviewOptions, RunQuery, attachment, document
    from consensus_client.webhooks import WebhookVerificationError, verify_webhook

__all__ = [
    "AccessClient",
    "AuditClient",
    "ClientOptions",
    "DecisionClient",
    "DraftClient",
    "EventClient",
    "IdentityClient",
    "MetricClient",
    "PanelClient",
    "PolicyClient",
    "ReconnectPolicy",
    "ReviewClient",
    "ReviewOptions",
    "RunQuery",
    "SyncAccessClient",
    "SyncAuditClient",
    "SyncDecisionClient",
    "SyncDraftClient",
    "SyncEventClient",
    "SyncIdentityClient",
    "SyncMetricClient",
    "SyncPanelClient",
    "SyncPolicyClient",
    "SyncReviewClient",
    "SyncUsageClient",
    "UsageClient",
    "WebhookVerificationError",
    "attachment",
    "document",
    "effective_label",
    "verify_webhook",
]

_HOME = {
    "AccessClient": "_async.access_client",
    "AuditClient": "_async.audit_client",
    "ClientOptions": "options",
    "DecisionClient": "_async.decision_client",
    "DraftClient": "_async.draft_client",
    "EventClient": "_async.event_client",
    "IdentityClient": "_async.access_client",
    "MetricClient": "_async.metric_client",
    "PanelClient": "_async.panel_client",
    "PolicyClient": "_async.policy_client",
    "ReconnectPolicy": "reconnecting",
    "ReviewClient": "_async.review_client",
    "ReviewOptions": "requests",
    "RunQuery": "requests",
    "SyncAccessClient": "_sync.access_client",
    "SyncAuditClient": "_sync.audit_client",
    "SyncDecisionClient": "_sync.decision_client",
    "SyncDraftClient": "_sync.draft_client",
    "SyncEventClient": "_sync.event_client",
    "SyncIdentityClient": "_sync.access_client",
    "SyncMetricClient": "_sync.metric_client",
    "SyncPanelClient": "_sync.panel_client",
    "SyncPolicyClient": "_sync.policy_client",
    "SyncReviewClient": "_sync.review_client",
    "SyncUsageClient": "_sync.usage_client",
    "UsageClient": "_async.usage_client",
    "WebhookVerificationError": "webhooks",
    "attachment": "requests",
    "document": "requests",
    "effective_label": "effective",
    "verify_webhook": "webhooks",
}


def __getattr__(name: str) -> object:
    """Imports a name when it is first asked for, so that a command does not wait for what it does not use."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
