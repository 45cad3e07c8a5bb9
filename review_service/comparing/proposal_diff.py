"""What differs between two proposals, field by field. Pure."""

from consensus.v1 import proposal_pb2

TEXTS = frozenset(
    {"title", "summary", "problem_statement", "proposed_solution", "raw_expanded_proposal"},
)
FIELDS = tuple(field.name for field in proposal_pb2.Proposal.DESCRIPTOR.fields)
"""The fields of a proposal, in the contract's order."""


def field_values(proposal: proposal_pb2.Proposal, field: str) -> list[str]:
    """A field's entries: one for a text that is there, as many as it has for a list."""
    value = getattr(proposal, field)
    if field in TEXTS:
        return [value] if value else []
    return list(value)


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
