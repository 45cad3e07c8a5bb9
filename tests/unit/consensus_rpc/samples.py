"""One error of every class, with all that it can carry."""

from consensus_contract import errors as nouns
from consensus_contract.errors import ConsensusError, FieldViolation
from consensus_rpc import errors

_RUN = {
    "run_id": "r1",
    "failed_step": "review_critic",
    "resumable": True,
    "finished": ["architect", "optimist"],
    "causes": {"critic": "LLM_TIMEOUT"},
}

SAMPLES: list[ConsensusError] = [
    errors.InvalidField(
        violations=[
            FieldViolation(
                "review.idea", "at most 10000 characters; 10001 characters sent", "string.max_len"
            ),
            FieldViolation("", "exactly one of them"),
        ]
    ),
    errors.InvalidPageToken(),
    nouns.RunNotFound(run_id="r1"),
    nouns.DuplicateId(resource="drafts/7"),
    nouns.IdempotencyKeyReused(idempotency_key="k1", run_id="r1"),
    nouns.IllegalState(run_id="r1", state="COMPLETED", operation="cancel"),
    nouns.LeaseLost(run_id="r1"),
    nouns.TenantFrozen(),
    nouns.TenantElsewhere(),
    nouns.SequenceOutOfRange(run_id="r1", after_sequence=9, last_sequence=7),
    nouns.PolicyUnknown(policy_version="9.0.0"),
    nouns.DeletionNotFound(deletion_id="x1"),
    errors.PermissionDenied(method="consensus.v1.ReviewService/GetRun"),
    errors.Unauthenticated(),
    errors.UserNotAllowed(field="review.user"),
    errors.CredentialEnded(),
    errors.CredentialExposed(),
    errors.IssuerUnavailable(),
    nouns.AccessKeyNotFound(key_id="0123456789abcdef"),
    nouns.AccessKeyEnded(key_id="0123456789abcdef"),
    nouns.BeyondOwnRights(scope="erase"),
    errors.Overloaded(subject="runs in flight", limit=2000, retry_after_seconds=0.3),
    errors.SlowConsumer(run_id="r1", last_sequence=7),
    errors.MessageTooLarge(limit_bytes=4_194_304),
    nouns.DatabaseUnavailable(),
    nouns.LockTimeout(resource="runs/r1"),
    nouns.PersistenceUnavailable(),
    errors.ShuttingDown(),
    nouns.DatabaseError(),
    nouns.InternalError(),
    nouns.AuditCheckpointsOff(),
    nouns.ContentKeysUnusable(cause="holds no key"),
    nouns.MetricNotFound(metric_id="m1"),
    nouns.PanelNotFound(panel_id="p1", revision="0123abcd"),
    nouns.PolicyNotFound(policy_id="p1", revision="0123abcd"),
    nouns.RunNotDecided(run_id="r1", state="RUNNING"),
    nouns.HumanReviewersFull(run_id="r1", limit=50),
    nouns.InvitationNotPending(draft_id="d1", invitation_id="i1", state="REVOKED"),
    nouns.DraftNotActive(draft_id="d1", state="LOCKED"),
    nouns.DraftIllegalState(draft_id="d1", state="LOCKED", operation="submit"),
    nouns.DraftFull(draft_id="d1", subject="segments", limit=800),
    *(
        kind(draft_id="d1")
        for kind in nouns.DraftError.__subclasses__()
        if kind.__init__ is nouns.DraftError.__init__
    ),
    errors.CallDeadlineExceeded(run_id="r1"),
    *(
        kind(**_RUN)  # type: ignore[arg-type]  # the values' types differ by key
        for kind in nouns.RunFailed.__subclasses__()
    ),
]
