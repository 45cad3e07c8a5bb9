"""Which fields of requests say for whom a caller acts, by their full names in the contract. Pure.

Acting: whoever is named there is who did it, in records and for the rules of drafts; a credential that is
bound to users may name none but those. About: whose things are asked for, or who is to get something; the
tenant and the rules of the thing itself bound that, since a read of a run or a draft names no user at all.
"""

ACTING = frozenset(
    {
        "consensus.v1.ReviewInput.user",
        "consensus.v1.ReviseRunRequest.user",
        "consensus.v1.SubmitDraftRequest.user",
        # Whoever is bound to a user erases nobody else.
        "consensus.v1.DeleteUserDataRequest.user",
        "consensus.v1.CreateDraftRequest.user",
        "consensus.v1.UpdateDraftRequest.user",
        "consensus.v1.DeleteDraftRequest.user",
        "consensus.v1.UndeleteDraftRequest.user",
        "consensus.v1.AppendSegmentRequest.user",
        "consensus.v1.PassRingRequest.user",
        "consensus.v1.AddCollaboratorRequest.user",
        "consensus.v1.RemoveCollaboratorRequest.user",
        "consensus.v1.CreateInvitationRequest.user",
        "consensus.v1.AcceptInvitationRequest.user",
        "consensus.v1.DeclineInvitationRequest.user",
        "consensus.v1.RevokeInvitationRequest.user",
        "consensus.v1.StoreMetricsRequest.user",
        "consensus.v1.DeleteMetricsRequest.user",
        "consensus.v1.UndeleteMetricsRequest.user",
        "consensus.v1.PutPanelRequest.user",
        "consensus.v1.DeletePanelRequest.user",
        "consensus.v1.PutPolicyRequest.user",
        "consensus.v1.Outcome.user",
        "consensus.v1.DecisionOverride.user",
        "consensus.v1.EscalationResolution.user",
        "consensus.v1.HumanReview.user",
    }
)

ABOUT = frozenset(
    {
        "consensus.v1.ListDraftsRequest.user",
        "consensus.v1.GetUserAnalyticsRequest.user",
        "consensus.v1.RunFilter.user",
        "consensus.v1.MetricFilter.user",
        "consensus.v1.UsageFilter.user",
        "consensus.v1.UsageFilter.caller",
        "consensus.v1.AuditFilter.user",
        "consensus.v1.AuditFilter.caller",
        "consensus.v1.PassRingRequest.recipient",
        "consensus.v1.AddCollaboratorRequest.collaborator",
        "consensus.v1.RemoveCollaboratorRequest.collaborator",
        "consensus.v1.CreateInvitationRequest.invitee",
        "consensus.v1.UserBound.user",
        # A key's own subject; that it may do no more than its maker is checked where it is made.
        "consensus.v1.CreateKeyRequest.subject",
    }
)

SET_BY_SERVICE = frozenset(
    {
        "consensus.v1.Outcome.caller",
        "consensus.v1.DecisionOverride.caller",
        "consensus.v1.EscalationResolution.caller",
        "consensus.v1.HumanReview.caller",
        "consensus.v1.Policy.creator",
    }
)
"""Not read in requests: the service answers with them."""

ACTING_IN_DATA = {"consensus.v1.EventInput.data": "user_id"}
"""JSON in which a user stands under a name: who did what an event tells of."""

SCOPE_MESSAGE = "consensus.internal.v1.CallScope"
"""What services say for whom they call: believed of those alone that may assert it."""
