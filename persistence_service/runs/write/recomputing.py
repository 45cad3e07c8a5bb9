"""What a record claims, held against what the run named and what is recorded. Pure.

A worker says what personas said; everything that follows from it is computed here again, so that no fault of
a worker, and nobody who speaks in its place, leaves a decision that its reviews do not give.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from consensus.v1 import decision_pb2, document_pb2, panel_pb2, run_pb2
from consensus_contract.errors import DuplicateId, PolicyUnknown
from consensus_decision.assessment import may_stand_alone
from consensus_decision.decision import decision_of, evaluation_of
from consensus_decision.policies import is_known, policy_name
from consensus_decision.quorum import has_quorum
from consensus_decision.sections import mark_stale
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Columns
from persistence_service.runs.form import event_types, names
from persistence_service.runs.form.decisions import decision_columns
from persistence_service.runs.form.entries import NewRunEntry
from persistence_service.runs.form.panel import RunPanel, proposal_digest
from persistence_service.runs.form.payloads import proposal_message, verdict_message
from persistence_service.runs.form.suspicions import KEY, suspicion_messages

Row: TypeAlias = Mapping[Any, Any]

_PROPOSAL = "proposal"
_REVIEW = "persona_review"
_DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What stands of a run already, by its rows; complete only for one that is decided, and its texts only
    where a review was carried over.
    """

    reviews: Sequence[Row] = ()
    proposal: Row | None = None
    specification: run_pb2.RunSpecification | None = None
    """Its revision, and its document if it has one."""
    suspicions: Sequence[Sequence[str]] = ()
    """What its proposal is suspected of."""


NOTHING = Recorded()


def check_claims(
    run_id: str, panel: RunPanel, entries: Sequence[NewRunEntry], recorded: Recorded = NOTHING
) -> str | None:
    """Why a person should look at the decision among the entries, if there is one and a reason.

    Raises:
        InvalidField: a review of nobody on the panel; marks that its issues, or its quotations, do not bear
            out; a decision without a quorum, or another than the reviews give.
        DuplicateId: a second review of a persona.
        PolicyUnknown: the run is to be decided under a policy that this release does not know.
    """
    escalation = None
    for new in entries:
        if new.payload is None:
            continue
        match new.entry.event_type:
            case event_types.PROPOSAL:
                _check_proposal(panel, new.payload)
                suspected = new.entry.data.get(KEY, ())
                recorded = replace(recorded, proposal=new.payload, suspicions=suspected)
            case event_types.REVIEW:
                _check_review(run_id, panel, new.payload, recorded.reviews)
                recorded = replace(recorded, reviews=[*recorded.reviews, new.payload])
            case event_types.DECISION:
                escalation = _check_decision(panel.specification, new.payload, recorded)
    return escalation


def _check_proposal(panel: RunPanel, proposal: Row) -> None:
    if panel.specification.document_expansion == document_pb2.DOCUMENT_EXPANSION_SKIP:
        raise InvalidField(field=_PROPOSAL, description="is none of a document's that is not expanded")
    if panel.given_proposal not in (None, proposal_digest(proposal_message(proposal))):
        raise InvalidField(field=_PROPOSAL, description="is the one that the run was given")


def _check_review(run_id: str, panel: RunPanel, review: Row, before: Iterable[Row]) -> None:
    persona_id = review["persona_id"]
    if persona_id not in panel.persona_ids:
        raise InvalidField(field=f"{_REVIEW}.persona_id", description="is one of the run's personas")
    if any(each["persona_id"] == persona_id for each in before):
        raise second_review(run_id, [persona_id])
    _check_unsupported(review["content"])
    issues = [each for each in review["content"]["blocking_issues"] if not each.get("unsupported")]
    marks = (
        ("blocking_issues_present", "blocking_issues_present", bool(issues)),
        (
            "security_concerns_present",
            "security_critical_issues_present",
            any(issue.get("security_critical") for issue in issues),
        ),
    )
    for column, name, value in marks:
        if review[column] != value:
            raise InvalidField(field=f"{_REVIEW}.{name}", description="is what its blocking issues say")


def _check_unsupported(content: Columns) -> None:
    """What is marked as unsupported is what the review's own counts and quotations bear out: the mark takes a
    veto away.
    """
    marked = [
        each for name in ("concerns", "blocking_issues") for each in content[name] if each.get("unsupported")
    ]
    if any(each.get("quotations") for each in marked):
        raise InvalidField(field=f"{_REVIEW}.unsupported", description="is nothing that has quotations")
    if len(marked) > content.get("asked", {}).get("dropped_quotation_count", 0):
        raise InvalidField(
            field=f"{_REVIEW}.provenance.dropped_quotation_count",
            description="counts a quotation for each that is unsupported",
        )


def second_review(run_id: str, persona_ids: Iterable[str]) -> DuplicateId:
    """The refusal of reviews of which a persona's is there already."""
    return DuplicateId(resource=f"runs/{run_id}/persona_reviews/{','.join(persona_ids)}")


def _check_decision(
    specification: run_pb2.RunSpecification, decision: Columns, recorded: Recorded
) -> str | None:
    version = specification.policy_version
    if decision["policy_version"] != version:
        raise InvalidField(field=f"{_DECISION}.policy_version", description=f"is the run's, {version}")
    if not is_known(specification):
        raise PolicyUnknown(policy_version=policy_name(specification) or version)
    policy = policy_name(specification) or version
    present = {row["persona_id"] for row in recorded.reviews}
    if not has_quorum(specification, present):
        raise InvalidField(
            field=_DECISION, description=f"needs the reviews of the run's quorum; {len(present)} are recorded"
        )
    missing = {
        each["persona_id"]: names.reason_number(each["reason"])
        for each in decision["content"].get("completeness", {}).get("missing_personas", ())
    }
    try:
        suspected = suspicion_messages(recorded.suspicions)
        evaluation = evaluation_of(specification, _reviews(recorded), suspicions=suspected)
    except ValueError as error:
        raise InvalidField(field=_DECISION, description="follows from reviews that carry weight") from error
    given = decision_of(evaluation, missing)
    for name in _differences(decision, decision_columns(given)):
        raise InvalidField(
            field=f"{_DECISION}.{name}",
            description=f"is what policy {policy} makes of the recorded reviews, and is not",
        )
    if any(each.rule == decision_pb2.DECISION_RULE_SECURITY_VETO for each in given.fired_rules):
        return names.VETO_ESCALATES
    return names.TARGET_ESCALATES if may_stand_alone(evaluation) is False else None


def _reviews(recorded: Recorded) -> list[panel_pb2.PersonaReview]:
    """The reviews, those that were carried over with the sections that their personas did not read."""
    reviews = [verdict_message(row) for row in recorded.reviews]
    if any(review.reused_from_run_id for review in reviews):
        revised = recorded.specification or run_pb2.RunSpecification()
        proposal = None if recorded.proposal is None else proposal_message(recorded.proposal)
        if proposal is None and not revised.HasField("document"):
            raise InvalidField(field=_DECISION, description="needs the proposal that it is about")
        mark_stale(reviews, revised, proposal)
    return reviews


def _differences(claimed: Columns, given: Columns) -> Iterator[str]:
    """The names of what is not equal; notes are none of a decision's yet."""
    if claimed["label"] != given["label"]:
        yield "label"
    if claimed["confidence"] != given["confidence"]:
        yield "overall_weighted_confidence"
    for name in sorted(given["content"].keys() | claimed["content"].keys()):
        if claimed["content"].get(name) != given["content"].get(name):
            yield name
