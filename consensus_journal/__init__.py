"""How the journal proves itself: canonical forms, hash chains, signed checkpoints, verification. Pure."""

from consensus_journal.canonical import Plain, canonical_json, digest, reference_json
from consensus_journal.chain import (
    FIRST_PREVIOUS_HASH,
    Entry,
    entry_from_plain,
    entry_hash,
    plain_entry,
)
from consensus_journal.checkpoint import (
    Checkpoint,
    StreamHead,
    checkpoint_digest,
    checkpoint_from_plain,
    first_bad_checkpoint,
    head_from_plain,
    known_heads,
    plain_checkpoint,
    plain_head,
    take_checkpoint,
)
from consensus_journal.verification import MAX_FINDINGS, StreamFinding, Verdict, Verification, verify_export
from consensus_journal.verify import Fault, Finding, Head, verify_against, verify_stream

__all__ = [
    "FIRST_PREVIOUS_HASH",
    "MAX_FINDINGS",
    "Checkpoint",
    "Entry",
    "Fault",
    "Finding",
    "Head",
    "Plain",
    "StreamFinding",
    "StreamHead",
    "Verdict",
    "Verification",
    "canonical_json",
    "checkpoint_digest",
    "checkpoint_from_plain",
    "digest",
    "entry_from_plain",
    "entry_hash",
    "first_bad_checkpoint",
    "head_from_plain",
    "known_heads",
    "plain_checkpoint",
    "plain_entry",
    "plain_head",
    "reference_json",
    "take_checkpoint",
    "verify_against",
    "verify_export",
    "verify_stream",
]
