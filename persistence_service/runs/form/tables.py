"""Tables of runs.

What changes with every record stands in the narrow `runs`; what is written once stands beside it, so
that the many updates of a run stay small. Payloads are joined to their events by (tenant, run_id,
sequence); each table's primary key is also its uniqueness rule, so that no second index is kept.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Index, Integer, String, Table, and_, text
from sqlalchemy.orm import Mapped, mapped_column

from persistence_service.runs.form import event_types
from persistence_service.schema.base import (
    Base,
    Digest,
    Identifier,
    Json,
    TenThousandths,
    UtcTime,
    core_table,
    deletion_indexes,
    index_of_present,
    text_column,
)
from persistence_service.schema.sealed import SealedJson, SealedText


class RunRow(Base):
    """Where a run stands. Locked by every write to the run."""

    __tablename__ = "runs"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_type: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    caller: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[str] = mapped_column(text_column(255))
    request_id: Mapped[str] = mapped_column(String(64))
    parent_run_id: Mapped[str | None] = mapped_column(Identifier)
    # Outcome. Confidence is in ten-thousandths; the note is a person's, set afterwards.
    decision_label: Mapped[str | None] = mapped_column(String(16))
    confidence: Mapped[int | None] = mapped_column(TenThousandths)
    decision_policy_version: Mapped[str | None] = mapped_column(String(50))
    decision_notes: Mapped[str | None] = mapped_column(SealedText("runs.decision_notes"))
    failure: Mapped[dict[str, Any] | None] = mapped_column(Json)
    # Time that it may take from the start of work, and again from each resumption.
    run_timeout_microseconds: Mapped[int] = mapped_column(BigInteger)
    # Counts.
    retry_count: Mapped[int] = mapped_column(Integer)
    take_over_count: Mapped[int] = mapped_column(Integer)
    # Take-overs since the newest acknowledged record; releases by draining do not count.
    barren_take_over_count: Mapped[int] = mapped_column(Integer)
    # The end of its journal: sequence and hash of the newest entry.
    last_sequence: Mapped[int] = mapped_column(Integer)
    head_hash: Mapped[bytes] = mapped_column(Digest)
    last_record_id: Mapped[int] = mapped_column(BigInteger)
    # Lease, by the clock of the database. No expire time: nobody holds it.
    fencing_token: Mapped[int] = mapped_column(BigInteger)
    lease_owner: Mapped[str | None] = mapped_column(String(255))
    lease_expire_time: Mapped[datetime | None] = mapped_column(UtcTime)
    # How long it was granted for; absent where a release before 0011 granted it.
    lease_microseconds: Mapped[int | None] = mapped_column(BigInteger)
    # Whether the last holder gave it back in an orderly way.
    lease_was_released: Mapped[bool] = mapped_column(Boolean)
    # Whether its proposal is recorded, or it goes without; absent: look for it.
    is_expanded: Mapped[bool | None] = mapped_column(Boolean)
    # What its proposal is suspected of, as pairs of a name and a kind; absent: nothing.
    suspicions: Mapped[list[list[str]] | None] = mapped_column(Json)
    # Bytes of its reviews as messages, but for those that a release before 0011 recorded.
    review_bytes: Mapped[int | None] = mapped_column(Integer)
    # Instants.
    create_time: Mapped[datetime] = mapped_column(UtcTime)
    start_time: Mapped[datetime | None] = mapped_column(UtcTime)
    finish_time: Mapped[datetime | None] = mapped_column(UtcTime)
    update_time: Mapped[datetime] = mapped_column(UtcTime)
    # The run's deadline.
    expire_time: Mapped[datetime | None] = mapped_column(UtcTime)
    # When it was last resumed; attempts that began before do not count against the budget.
    budget_start_time: Mapped[datetime | None] = mapped_column(UtcTime)
    # Absent until it is deleted, then which deletion took it. What belongs to the run goes with it.
    delete_time: Mapped[datetime | None] = mapped_column(UtcTime)
    deletion_id: Mapped[str | None] = mapped_column(Identifier)

    __table_args__ = (
        # One per filter of ListRuns, in the order of its pages (read backwards).
        Index("ix_runs_created", "tenant", "create_time", "run_id"),
        Index("ix_runs_state", "tenant", "state", "create_time", "run_id"),
        Index(
            "ix_runs_user",
            "tenant",
            "user_id",
            "create_time",
            "run_id",
            postgresql_where=text("user_id <> ''"),
            sqlite_where=text("user_id <> ''"),
        ),
        Index(
            "ix_runs_parent",
            "tenant",
            "parent_run_id",
            "create_time",
            "run_id",
            postgresql_where=text("parent_run_id IS NOT NULL"),
            sqlite_where=text("parent_run_id IS NOT NULL"),
        ),
        Index(
            "ix_runs_decision",
            "tenant",
            "decision_label",
            "create_time",
            "run_id",
            postgresql_where=text("decision_label IS NOT NULL"),
            sqlite_where=text("decision_label IS NOT NULL"),
        ),
        Index(
            "ix_runs_revisions",
            "tenant",
            "create_time",
            "run_id",
            postgresql_where=text("run_type = 'REVISION'"),
            sqlite_where=text("run_type = 'REVISION'"),
        ),
        Index(
            "ix_runs_confidence",
            "tenant",
            "confidence",
            "create_time",
            "run_id",
            postgresql_where=text("confidence IS NOT NULL"),
            sqlite_where=text("confidence IS NOT NULL"),
        ),
        # Work to claim, oldest first. It leaves the lease's end out on purpose: an indexed column
        # would make every renewal write all indexes anew.
        Index(
            "ix_runs_open",
            "create_time",
            postgresql_where=text("state IN ('QUEUED', 'RUNNING')"),
            sqlite_where=text("state IN ('QUEUED', 'RUNNING')"),
        ),
        # Retention by age.
        index_of_present("ix_runs_finish_time", "finish_time", present="finish_time"),
        *deletion_indexes("runs"),
    )


class RunSettingsRow(Base):
    """Settings as any number of a tenant's runs have them: models, temperatures, retry policy, panel, quorum,
    versions. Insert-only, kept when no run names them any more.
    """

    __tablename__ = "run_settings"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # SHA-256 of their canonical form.
    digest: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    settings: Mapped[dict[str, Any]] = mapped_column(Json)


class RunSpecificationRow(Base):
    """What a run is to do; written once."""

    __tablename__ = "run_specifications"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # Empty where something else is reviewed.
    idea: Mapped[str] = mapped_column(SealedText("run_specifications.idea"))
    # JSON text, {"text": …} or {"object": …}, kept to the letter; absent when the caller added nothing.
    context: Mapped[str | None] = mapped_column(SealedText("run_specifications.context"))
    # The draft that was submitted.
    draft_id: Mapped[str | None] = mapped_column(Identifier)
    # Everything else. No foreign key: it would lock the row that all new runs name, which nothing removes.
    settings_digest: Mapped[bytes] = mapped_column(Digest)


class RunMaterialRow(Base):
    """What a run works on beside an idea; written once, and absent for a run over an idea alone."""

    __tablename__ = "run_materials"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    # What lists show: name and format of the document, how it is expanded, names and digests of attachments.
    about: Mapped[dict[str, Any]] = mapped_column(Json)
    # The texts, read only where the whole run is asked for.
    document: Mapped[str | None] = mapped_column(SealedText("run_materials.document"))
    proposal: Mapped[dict[str, Any] | None] = mapped_column(SealedJson("run_materials.proposal"))
    attachment_texts: Mapped[list[str] | None] = mapped_column(SealedJson("run_materials.attachment_texts"))


class RevisionRow(Base):
    """What a revision works on; written once. Its parent stands in the run's own row."""

    __tablename__ = "revisions"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    edit_notes: Mapped[str] = mapped_column(SealedText("revisions.edit_notes"))
    # Proposals as JSON data; the edited one is absent when there were only notes.
    edited_proposal: Mapped[dict[str, Any] | None] = mapped_column(SealedJson("revisions.edited_proposal"))
    parent_proposal: Mapped[dict[str, Any]] = mapped_column(SealedJson("revisions.parent_proposal"))
    # Ids, in persona order.
    asked_personas: Mapped[list[str]] = mapped_column(Json)


class ProposalVersionRow(Base):
    """The proposal of a run; insert-only, at most one per run."""

    __tablename__ = "proposal_versions"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(SealedText("proposal_versions.title"))
    summary: Mapped[str] = mapped_column(SealedText("proposal_versions.summary"))
    problem_statement: Mapped[str] = mapped_column(SealedText("proposal_versions.problem_statement"))
    proposed_solution: Mapped[str] = mapped_column(SealedText("proposal_versions.proposed_solution"))
    assumptions: Mapped[list[str]] = mapped_column(SealedJson("proposal_versions.assumptions"))
    scope_non_goals: Mapped[list[str]] = mapped_column(SealedJson("proposal_versions.scope_non_goals"))
    raw_expanded_proposal: Mapped[str] = mapped_column(SealedText("proposal_versions.raw_expanded_proposal"))
    # Per field that differs from the parent's proposal: field, before, after. Absent unless a revision.
    diff: Mapped[list[dict[str, Any]] | None] = mapped_column(SealedJson("proposal_versions.diff"))


class PersonaReviewRow(Base):
    """A persona's review of a run's proposal; insert-only, at most one per persona.

    How it came about is all absent when that was not said; tokens are also when the provider did not say.
    Numbers stand together, widest last, so that little is lost to alignment.
    """

    __tablename__ = "persona_reviews"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    persona_id: Mapped[str] = mapped_column(text_column(63), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    # In ten-thousandths.
    confidence: Mapped[int] = mapped_column(TenThousandths)
    # How it came about: temperature in hundredths, tokens and latency of the call that succeeded.
    temperature: Mapped[int | None] = mapped_column(Integer)
    attempt_count: Mapped[int | None] = mapped_column(Integer)
    input_tokens: Mapped[int | None] = mapped_column(Integer)
    cached_tokens: Mapped[int | None] = mapped_column(Integer)
    cache_write_tokens: Mapped[int | None] = mapped_column(Integer)
    output_tokens: Mapped[int | None] = mapped_column(Integer)
    reasoning_tokens: Mapped[int | None] = mapped_column(Integer)
    latency_nanoseconds: Mapped[int | None] = mapped_column(BigInteger)
    blocking_issues_present: Mapped[bool] = mapped_column(Boolean)
    security_concerns_present: Mapped[bool] = mapped_column(Boolean)
    persona_name: Mapped[str] = mapped_column(String(100))
    # How it came about, continued.
    requested_model: Mapped[str | None] = mapped_column(String(200))
    answered_model: Mapped[str | None] = mapped_column(String(200))
    persona_template_version: Mapped[str | None] = mapped_column(String(50))
    prompt_digest: Mapped[str | None] = mapped_column(String(64))
    provider_request_id: Mapped[str | None] = mapped_column(String(200))
    truncated_fields: Mapped[list[str] | None] = mapped_column(Json)
    # The run in which the persona was asked; absent when it was this one.
    reused_from_run_id: Mapped[str | None] = mapped_column(Identifier)
    # Strengths, concerns, recommendations, blocking issues, effort, dependency risks.
    content: Mapped[dict[str, Any]] = mapped_column(SealedJson("persona_reviews.content"))


class DecisionRow(Base):
    """The decision of a run; insert-only, at most one per run."""

    __tablename__ = "decisions"

    tenant: Mapped[str] = mapped_column(Identifier, primary_key=True)
    run_id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    label: Mapped[str] = mapped_column(String(16))
    # In ten-thousandths.
    confidence: Mapped[int] = mapped_column(TenThousandths)
    policy_version: Mapped[str] = mapped_column(String(50))
    # Contributions, fired rules, completeness, minority reports.
    content: Mapped[dict[str, Any]] = mapped_column(SealedJson("decisions.content"))


RUNS = core_table(RunRow)
SETTINGS = core_table(RunSettingsRow)
SPECIFICATIONS = core_table(RunSpecificationRow)
MATERIALS = core_table(RunMaterialRow)
REVISIONS = core_table(RevisionRow)
PAYLOADS: Mapping[str, Table] = {
    event_types.PROPOSAL: core_table(ProposalVersionRow),
    event_types.REVIEW: core_table(PersonaReviewRow),
    event_types.DECISION: core_table(DecisionRow),
}
SPECIFIED_SETTINGS = and_(
    SETTINGS.c.tenant == SPECIFICATIONS.c.tenant, SETTINGS.c.digest == SPECIFICATIONS.c.settings_digest
)
"""What joins a specification to the settings that it names."""
SPECIFIED_MATERIAL = and_(
    MATERIALS.c.tenant == SPECIFICATIONS.c.tenant, MATERIALS.c.run_id == SPECIFICATIONS.c.run_id
)
"""What joins a specification to what is worked on beside its idea, where there is anything."""
