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
    plain_checkpoint,
    plain_head,
    take_checkpoint,
)
from consensus_journal.verification import StreamFinding, Verdict, Verification, verify_export
from consensus_journal.verify import ChainFinding, Fault, Head, verify_against, verify_stream

__all__ = [
    "FIRST_PREVIOUS_HASH",
    "ChainFinding",
    "Checkpoint",
    "Entry",
    "Fault",
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
    "plain_checkpoint",
    "plain_entry",
    "plain_head",
    "reference_json",
    "take_checkpoint",
    "verify_against",
    "verify_export",
    "verify_stream",
]
