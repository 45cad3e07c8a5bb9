"""Proposals that callers wrote: trimmed, and what the contract's rules cannot say about them. Pure."""

from collections.abc import Iterator

from consensus.v1 import proposal_pb2
from consensus_contract.errors import FieldViolation
from consensus_contract.sizes import PROPOSAL_BYTES
from consensus_decision.sections import FIELDS, TEXTS

_REQUIRED = frozenset({"problem_statement", "proposed_solution"})


def trimmed_proposal(proposal: proposal_pb2.Proposal) -> proposal_pb2.Proposal:
    """The proposal with every string trimmed, so that a blank optional one is absent."""
    trimmed = proposal_pb2.Proposal()
    for field in FIELDS:
        value = getattr(proposal, field)
        if field in TEXTS:
            setattr(trimmed, field, value.strip())
        else:
            getattr(trimmed, field).extend(entry.strip() for entry in value)
    return trimmed


def blank_violations(trimmed: proposal_pb2.Proposal, field: str, rule: str) -> Iterator[FieldViolation]:
    """Required texts and entries of lists say something."""
    for name in FIELDS:
        value = getattr(trimmed, name)
        if name in TEXTS:
            if name in _REQUIRED and not value:
                yield FieldViolation(f"{field}.{name}", "must not be blank", rule)
        else:
            blank = (index for index, entry in enumerate(value) if not entry)
            for index in blank:
                yield FieldViolation(f"{field}.{name}[{index}]", "must not be blank", rule)


def size_violations(trimmed: proposal_pb2.Proposal, field: str, rule: str) -> Iterator[FieldViolation]:
    """A proposal takes no more than its share of what a run may hold."""
    if (size := trimmed.ByteSize()) > PROPOSAL_BYTES:
        yield FieldViolation(field, f"must have at most {PROPOSAL_BYTES} bytes; {size} were sent", rule)


def given_proposal_violations(trimmed: proposal_pb2.Proposal, field: str) -> Iterator[FieldViolation]:
    """What a proposal breaks that is reviewed as its caller wrote it."""
    yield from blank_violations(trimmed, field, "proposal.blank")
    yield from size_violations(trimmed, field, "proposal.bytes")
