"""Which sections of a proposal a carried-over review did not read."""

import pytest

from consensus.v1 import panel_pb2, proposal_pb2, run_pb2
from consensus_decision.sections import FIELDS, mark_stale, section_digests, sections_read
from tests.support.engine import proposal, review


def changed(**fields: object) -> proposal_pb2.Proposal:
    other = proposal()
    for name in fields:
        other.ClearField(name)  # type: ignore[arg-type]  # the names are fields of a proposal
    other.MergeFrom(proposal_pb2.Proposal(**fields))  # type: ignore[arg-type]  # checked at the call
    return other


def revision_of(parent_proposal: proposal_pb2.Proposal) -> run_pb2.RunSpecification:
    revision = run_pb2.RevisionSpecification(parent_run_id="parent", parent_proposal=parent_proposal)
    return run_pb2.RunSpecification(revision=revision)


def carried(*read: panel_pb2.SectionDigest, origin: str = "parent") -> panel_pb2.PersonaReview:
    found = review("critic", 0.9)
    found.reused_from_run_id = origin
    found.section_digests.extend(read)
    return found


def stale_sections(found: panel_pb2.PersonaReview, now: proposal_pb2.Proposal) -> list[str]:
    mark_stale([found], revision_of(proposal()), now)
    return list(found.stale_sections)


@pytest.mark.parametrize(
    ("now", "stale"),
    [
        (proposal(), []),
        (changed(proposed_solution="In plain text."), ["proposed_solution"]),
        (changed(title="", assumptions=["Other."]), ["title", "assumptions"]),
        (changed(assumptions=["Readers have", " accounts."]), ["assumptions"]),
        (changed(raw_expanded_proposal="In prose."), ["raw_expanded_proposal"]),
    ],
)
def test_what_differs_from_what_was_read_is_stale(now: proposal_pb2.Proposal, stale: list[str]) -> None:
    assert stale_sections(carried(*section_digests(proposal()), origin="older"), now) == stale
    assert stale_sections(carried(), now) == stale  # of an earlier release: the parent's proposal was read


def test_a_review_of_this_run_is_never_stale() -> None:
    assert stale_sections(review("critic", 0.9), changed(title="Other")) == []


def test_what_nobody_can_tell_was_read_is_stale_throughout() -> None:
    assert stale_sections(carried(origin="older"), proposal()) == list(FIELDS)


def test_over_a_chain_of_revisions_what_was_read_stays_what_it_was() -> None:
    first, second = proposal(), changed(proposed_solution="In plain text.")
    in_second = carried(*section_digests(first), origin="first")

    read = sections_read(in_second, revision_of(first).revision, second)

    # A third that puts back what the second changed is the text that was read.
    assert stale_sections(carried(*read, origin="first"), second) == ["proposed_solution"]
    assert stale_sections(carried(*read, origin="first"), first) == []
