"""Random messages of the contract, as hypothesis makes them; within what the contract allows."""

import hashlib
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from hypothesis import strategies as st

from consensus.v1 import (
    attempt_pb2,
    decision_pb2,
    document_pb2,
    errors_pb2,
    panel_pb2,
    proposal_pb2,
    run_event_pb2,
    run_pb2,
    suspicion_pb2,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
counts = st.integers(0, 2**32 - 1)
stored_counts = st.integers(0, 2**31 - 1)
scores = st.integers(0, 10_000).map(lambda parts: parts / 10_000)
temperatures = st.none() | st.integers(0, 200).map(lambda parts: parts / 100)
reasons = st.sampled_from(errors_pb2.ErrorReason.values())
durations = st.integers(0, 10**15).map(
    lambda nanoseconds: Duration(seconds=nanoseconds // 10**9, nanos=nanoseconds % 10**9)
)


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Short lists."""
    return st.lists(items, max_size=3)


def maybe(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Or absent."""
    return st.none() | value


usages = st.builds(
    panel_pb2.TokenUsage,
    input_tokens=stored_counts,
    cached_tokens=stored_counts,
    cache_write_tokens=stored_counts,
    output_tokens=stored_counts,
    reasoning_tokens=stored_counts,
)
proposals = st.builds(
    proposal_pb2.Proposal,
    title=texts,
    summary=texts,
    problem_statement=texts,
    proposed_solution=texts,
    assumptions=lists(texts),
    scope_non_goals=lists(texts),
    raw_expanded_proposal=texts,
)
provenances = st.builds(
    panel_pb2.ReviewProvenance,
    requested_model=texts,
    answered_model=texts,
    temperature=temperatures,
    persona_template_version=texts,
    prompt_digest=texts,
    attempt_count=stored_counts,
    provider_request_id=texts,
    usage=maybe(usages),
    latency=maybe(durations),
    truncated_fields=lists(texts),
    route=texts,
    dropped_parameters=lists(texts),
    dropped_quotation_count=stored_counts,
)
quotations = lists(st.builds(document_pb2.Quotation, section=texts, text=texts))
evidence: dict[str, st.SearchStrategy[Any]] = {
    "quotations": quotations,
    "section": texts,
    "unsupported": st.booleans(),
}
shown_texts = st.builds(
    document_pb2.ShownText, name=texts, character_count=stored_counts, sha256=st.binary(max_size=32)
)
suspicions = lists(
    st.builds(
        suspicion_pb2.Suspicion,
        text=names,
        kind=st.sampled_from(suspicion_pb2.SuspicionKind.values()) | st.just(99),
    )
)
reviews = st.builds(
    panel_pb2.PersonaReview,
    persona_id=names,
    persona_name=texts,
    confidence_score=scores,
    strengths=lists(texts),
    concerns=lists(st.builds(panel_pb2.Concern, text=texts, blocking=st.booleans(), **evidence)),
    recommendations=lists(texts),
    blocking_issues=lists(
        st.builds(
            panel_pb2.BlockingIssue,
            text=texts,
            security_critical=maybe(st.booleans()),
            **evidence,
        )
    ),
    estimated_effort=texts,
    dependency_risks=lists(texts),
    blocking_issues_present=st.booleans(),
    security_critical_issues_present=st.booleans(),
    provenance=maybe(provenances),
    shown_texts=lists(shown_texts),
    suspicions=suspicions,
)
decisions = st.builds(
    decision_pb2.Decision,
    label=st.sampled_from(decision_pb2.DecisionLabel.values()[1:]),
    overall_weighted_confidence=scores,
    contributions=lists(
        st.builds(
            decision_pb2.PersonaContribution,
            persona_id=names,
            weight=scores,
            confidence_score=scores,
            contribution=scores,
        )
    ),
    fired_rules=lists(
        st.builds(
            decision_pb2.FiredRule,
            rule=st.sampled_from(decision_pb2.DecisionRule.values()),
            explanation=texts,
            data=st.dictionaries(texts, texts, max_size=3),
        )
    ),
    completeness=maybe(
        st.builds(
            decision_pb2.Completeness,
            complete=st.booleans(),
            expected_count=counts,
            present_count=counts,
            missing_personas=lists(st.builds(decision_pb2.MissingPersona, persona_id=names, reason=reasons)),
        )
    ),
    minority_reports=lists(
        st.builds(
            decision_pb2.MinorityReport,
            persona_id=names,
            persona_name=texts,
            confidence_score=scores,
            blocking_summary=texts,
            mitigation_recommendation=texts,
            strengths=lists(texts),
            concerns=lists(texts),
        )
    ),
    policy_version=texts,
)
violations = lists(st.builds(run_pb2.OutputViolation, field=texts, description=texts))
step_failures = st.builds(run_pb2.StepFailure, reason=reasons, message=texts, output_violations=violations)
run_failures = st.builds(
    run_pb2.RunFailure,
    reason=reasons,
    message=texts,
    failed_step=texts,
    resumable=st.booleans(),
    finished_personas=lists(names),
    persona_failures=lists(st.builds(run_pb2.PersonaFailure, persona_id=names, reason=reasons)),
    output_violations=violations,
)
payloads = st.one_of(
    st.builds(run_event_pb2.StepStarted, step=names),
    st.builds(run_event_pb2.StepCompleted, step=names, attempt_count=counts),
    st.builds(run_event_pb2.StepSkipped, step=names),
    st.builds(run_event_pb2.StepFailed, step=names, attempt_count=counts, failure=maybe(step_failures)),
    st.builds(
        run_event_pb2.AttemptFailed,
        step=names,
        persona_id=st.just("") | names,
        attempt_number=counts,
        reason=reasons,
        retry_delay=maybe(durations),
    ),
    st.builds(run_event_pb2.ProposalReady, proposal=proposals, suspicions=suspicions),
    st.builds(run_event_pb2.PersonaReviewReady, persona_review=reviews),
    st.builds(run_event_pb2.DecisionReady, decision=decisions),
    st.builds(run_event_pb2.RunCompleted),
    st.builds(run_event_pb2.RunFailed, failure=run_failures),
)
attempts = st.builds(
    attempt_pb2.Attempt,
    step=names,
    attempt_number=stored_counts,
    state=st.sampled_from(attempt_pb2.AttemptState.values()),
    reason=reasons,
    requested_model=texts,
    answered_model=texts,
    temperature=temperatures,
    repair=st.booleans(),
    max_output_tokens=stored_counts,
    latency=maybe(durations),
    http_status=stored_counts,
    provider_request_id=texts,
    usage=maybe(usages),
    raw_output=texts,
    message=texts,
)

_json = st.recursive(
    st.none() | st.booleans() | texts | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


def _struct(plain: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(plain)
    return struct


contexts = st.builds(run_pb2.ExtraContext, text=texts) | st.dictionaries(texts, _json, max_size=3).map(
    lambda plain: run_pb2.ExtraContext(object=_struct(plain))
)
_specifications_of_ideas = st.builds(
    run_pb2.RunSpecification,
    idea=texts,
    context=maybe(contexts),
    user=texts,
    expand_model=texts,
    review_model=texts,
    expand_temperature=temperatures,
    review_temperature=temperatures,
    persona_template_version=texts,
    retry_policy=maybe(
        st.builds(
            run_pb2.RetryPolicy,
            max_retries=counts,
            initial_backoff=maybe(durations),
            backoff_multiplier=st.floats(1, 10),
            attempt_timeout=maybe(durations),
            max_output_tokens=counts,
        )
    ),
    personas=st.lists(
        st.builds(
            panel_pb2.Persona,
            persona_id=names,
            display_name=texts,
            weight=scores,
            focus=texts,
            holds_veto=st.booleans(),
            shows_idea=st.booleans(),
            prompt_digest=texts,
            instructions=texts,
            model=texts,
            temperature=temperatures,
            time_limit=maybe(durations),
        ),
        max_size=3,
        unique_by=lambda persona: persona.persona_id,
    ),
    panel_id=st.just("") | names,
    panel_revision=texts,
    language=texts,
    suspicions=suspicions,
    quorum=maybe(st.builds(run_pb2.Quorum, min_personas=counts, required_personas=lists(names))),
    run_timeout=maybe(st.integers(1, 9 * 10**6).map(lambda seconds: Duration(seconds=seconds))),
    policy_version=texts,
    draft_id=st.just("") | names,
)
_materials = st.builds(
    run_pb2.RunSpecification,
    document=st.builds(document_pb2.Document, text=texts.filter(bool), format=st.integers(1, 3), name=texts),
    document_expansion=st.integers(1, 2),
) | st.builds(run_pb2.RunSpecification, proposal=proposals)
_attachments = st.dictionaries(texts.filter(bool), texts, max_size=3).map(
    lambda named: [
        document_pb2.Attachment(
            name=name, media_type="text/csv", text=text, sha256=hashlib.sha256(text.encode()).digest()
        )
        for name, text in named.items()
    ]
)


def _with_material(
    specification: run_pb2.RunSpecification,
    material: run_pb2.RunSpecification | None,
    attachments: list[document_pb2.Attachment],
) -> run_pb2.RunSpecification:
    if material is not None:
        specification.MergeFrom(material)
    specification.attachments.extend(attachments)
    return specification


specifications = st.builds(_with_material, _specifications_of_ideas, maybe(_materials), _attachments)
