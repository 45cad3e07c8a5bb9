"""What differs between two proposals, field by field. Pure."""

from consensus.v1 import proposal_pb2
from consensus_decision.sections import FIELDS, field_values


def proposal_diff(before: proposal_pb2.Proposal, after: proposal_pb2.Proposal) -> proposal_pb2.ProposalDiff:
    """The fields that differ, each with what stood before and what stands after."""
    pairs = ((field, field_values(before, field), field_values(after, field)) for field in FIELDS)
    return proposal_pb2.ProposalDiff(
        changes=[
            proposal_pb2.ProposalFieldChange(field=field, before=old, after=new)
            for field, old, new in pairs
            if old != new
        ]
    )
