"""The kinds of entries in a run's journal, as they are stored. Pure."""

RUN_CREATED, RUN_STARTED, RUN_RESUMED = "run.created", "run.started", "run.resumed"
RUN_TAKEN_OVER, RUN_PURGED = "run.taken_over", "run.purged"
RUN_COMPLETED, RUN_FAILED, RUN_CANCELLED = "run.completed", "run.failed", "run.cancelled"
RUN_DELETED, RUN_UNDELETED = "run.deleted", "run.undeleted"
STEP_STARTED, STEP_COMPLETED = "step.started", "step.completed"
STEP_SKIPPED, STEP_FAILED = "step.skipped", "step.failed"
ATTEMPT_FAILED = "attempt.failed"
PROPOSAL, REVIEW, DECISION = "proposal.recorded", "persona_review.recorded", "decision.recorded"
"""Those whose payloads stand in tables of their own."""

DECISION_ANNOTATED = "decision.annotated"
