"""Which text a review is about: a proposal's sections by digest, and those that the persona did not read.

Pure. A review of a persona that was asked in a run read the run's whole proposal, which is stored; only one
that is carried over takes digests with it, so that neither a chain of revisions nor the loss of a parent
changes what it read.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

from consensus.v1 import panel_pb2, proposal_pb2, run_pb2
from consensus_documents import section_digests as document_digests

TEXTS = frozenset({"title", "summary", "problem_statement", "proposed_solution", "raw_expanded_proposal"})
FIELDS = tuple(field.name for field in proposal_pb2.Proposal.DESCRIPTOR.fields)
"""The sections of a proposal, in the contract's order."""


def field_values(proposal: proposal_pb2.Proposal, field: str) -> list[str]:
    """A section's entries: one for a text that is there, as many as it has for a list."""
    value = getattr(proposal, field)
    if field in TEXTS:
        return [value] if value else []
    return list(value)


def proposal_words(proposal: proposal_pb2.Proposal) -> str:
    """All that a proposal says, an entry a line."""
    return "\n".join(entry for field in FIELDS for entry in field_values(proposal, field))


def section_digests(proposal: proposal_pb2.Proposal) -> list[panel_pb2.SectionDigest]:
    """A digest of each section, absent ones included."""
    return [
        panel_pb2.SectionDigest(section=field, sha256=_digest(field_values(proposal, field)))
        for field in FIELDS
    ]


def _digest(entries: list[str]) -> bytes:
    return hashlib.sha256(json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()).digest()


_ABSENT = _digest([])
"""Of a section that proposals did not have when the persona read one."""


def sections_read(
    review: panel_pb2.PersonaReview,
    revision: run_pb2.RevisionSpecification,
    proposal: proposal_pb2.Proposal,
) -> Sequence[panel_pb2.SectionDigest]:
    """What the persona was shown, for a review in a run with this proposal, which may revise another.

    Empty where nobody can tell: of what an earlier release carried over more than one revision.
    """
    if not review.reused_from_run_id:
        return section_digests(proposal)
    if not review.section_digests and review.reused_from_run_id == revision.parent_run_id:
        return section_digests(revision.parent_proposal)
    return review.section_digests


def mark_stale(
    reviews: Iterable[panel_pb2.PersonaReview],
    specification: run_pb2.RunSpecification,
    proposal: proposal_pb2.Proposal | None,
) -> None:
    """Notes in each carried-over review the sections of the run's text that its persona did not read: of its
    document, or else of its proposal, of which none may be known yet.
    """
    carried = [review for review in reviews if review.reused_from_run_id]
    if carried and specification.HasField("document"):
        current = document_digests(specification.document.text, specification.document.format)
        for review in carried:
            review.stale_sections[:] = _changed(review.section_digests, current)
    elif carried and proposal is not None:
        current = section_digests(proposal)
        for review in carried:
            read = sections_read(review, specification.revision, proposal)
            review.stale_sections[:] = _changed(read, current, absent=_ABSENT)


def _changed(
    read: Iterable[panel_pb2.SectionDigest],
    current: Iterable[panel_pb2.SectionDigest],
    *,
    absent: bytes = b"",
) -> list[str]:
    """The sections that are other than what was read, and those that are gone; all, where nobody knows."""
    digests = {each.section: each.sha256 for each in read}
    now = {each.section: each.sha256 for each in current}
    changed = [name for name, sha256 in now.items() if not digests or digests.get(name, absent) != sha256]
    return changed + [name for name in digests if name not in now]
