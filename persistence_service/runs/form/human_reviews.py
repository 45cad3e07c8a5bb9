"""People's reviews of runs, between the wire and their rows. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from consensus.v1 import human_review_pb2, panel_pb2
from consensus_contract.sizes import HUMAN_REVIEW_BYTES
from consensus_journal import canonical_json, digest
from consensus_rpc.errors import InvalidField
from persistence_service.journal.entries import Columns
from persistence_service.schema.scalars import storable, storable_json, ten_thousandths, to_timestamp

_FIELD = "human_review"


def human_review_row(
    tenant: str, review: human_review_pb2.HumanReview, review_id: str, caller: str, now: datetime
) -> Columns:
    """The row of a review that is to be recorded.

    Raises:
        InvalidField: a score that ten-thousandths do not hold, a blank text, NUL in a text, or more than
            there is room for.
    """
    content: Columns = {
        "strengths": list(review.strengths),
        "concerns": [{"text": each.text, "is_blocking": each.blocking} for each in review.concerns],
        "blocking_issues": [_blocking_issue(each) for each in review.blocking_issues],
        "recommendations": list(review.recommendations),
    }
    for name, text in _texts(content):
        if not text.strip():
            raise InvalidField(field=f"{_FIELD}.{name}.text", description="must not be blank")
    canonical = canonical_json(content)
    storable_json(content, canonical, _FIELD)
    if len(canonical) > HUMAN_REVIEW_BYTES:
        description = f"at most {HUMAN_REVIEW_BYTES} bytes; {len(canonical)} were sent"
        raise InvalidField(field=_FIELD, description=description)
    return {
        "tenant": tenant,
        "run_id": review.run_id,
        "review_id": review_id,
        "create_time": now,
        "confidence": ten_thousandths(review.confidence_score, f"{_FIELD}.confidence_score"),
        "content": content,
        "user_id": storable(review.user, f"{_FIELD}.user"),
        "caller": caller,
    }


def person_of(row: Mapping[Any, Any]) -> tuple[str, str]:
    """Who reviewed: the user, or the caller where it acted for nobody."""
    return row["user_id"], "" if row["user_id"] else row["caller"]


def entry_data(row: Mapping[str, Any]) -> Columns:
    """What the journal says of a review: never its texts, but their digest."""
    return {
        "review_id": row["review_id"],
        "confidence": row["confidence"],
        "blocking_issue_count": len(row["content"]["blocking_issues"]),
        "content_sha256": digest(canonical_json(row["content"])).hex(),
    }


def human_review_message(row: Mapping[Any, Any]) -> human_review_pb2.HumanReview:
    """The review that a row was made of."""
    content = row["content"]
    return human_review_pb2.HumanReview(
        run_id=row["run_id"],
        review_id=row["review_id"],
        confidence_score=row["confidence"] / 10_000,
        strengths=content["strengths"],
        concerns=[
            panel_pb2.Concern(text=each["text"], blocking=each["is_blocking"]) for each in content["concerns"]
        ],
        blocking_issues=[
            panel_pb2.BlockingIssue(text=each["text"], security_critical=each.get("security_critical"))
            for each in content["blocking_issues"]
        ],
        recommendations=content["recommendations"],
        user=row["user_id"],
        caller=row["caller"],
        create_time=to_timestamp(row["create_time"]),
    )


def _blocking_issue(issue: panel_pb2.BlockingIssue) -> Columns:
    columns: Columns = {"text": issue.text}
    if issue.HasField("security_critical"):
        columns["security_critical"] = issue.security_critical
    return columns


def _texts(content: Columns) -> Iterator[tuple[str, str]]:
    """Those that the contract does not keep from being blank."""
    for name in ("concerns", "blocking_issues"):
        for index, each in enumerate(content[name]):
            yield f"{name}[{index}]", each["text"]
